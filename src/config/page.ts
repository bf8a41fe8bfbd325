import { flagOf, options, variableOf, type Option } from './options.ts'

/** The documentation of the settings, as Markdown. */
export function settingsPage(): string {
  const rows = Object.entries(options as unknown as Record<string, Option<unknown>>).map(
    ([name, o]) => `| \`${flagOf(name)}\` | \`${variableOf(name)}\` | \`${o.at}\` | ${o.show(o.otherwise)} | ${o.help} |`,
  )
  return `# Settings

A flag comes before its variable, the variable before the settings file (\`--config FILE\`, \`NIGHTSHIFT_CONFIG\`, else \`nightshift.yaml\` if it is there), the file before the default.
Sizes take plain bytes or units (\`200MB\`, \`8MiB\`), times plain milliseconds or units (\`250ms\`, \`10s\`, \`24h\`). This page is made from \`src/config/options.ts\`.

| flag | variable | in the file | default | what it is |
|---|---|---|---|---|
${rows.join('\n')}

## Backends

\`--backend URL\` may be given again; \`NIGHTSHIFT_BACKEND\` takes several, separated by commas; \`NIGHTSHIFT_BACKEND_KEY\` is the key for them. In the file each has more to say:

\`\`\`yaml
backends:
  - url: http://127.0.0.1:8000        # with or without /v1
    key: \${VLLM_KEY}                  # from a variable, or { file: /run/secrets/vllm }
    headers: { x-team: night }
    models: [llama-3.1-8b]            # else asked from /v1/models; a backend without that must list them
    endpoints: [/v1/chat/completions] # else all
    maxInFlight: 64
\`\`\`

## Buckets

A bucket is a folder that a project may use: \`s3://demo/in/tickets.jsonl\` lies at \`in/tickets.jsonl\` in the folder granted as \`demo\`, and \`s3://demo/in/tickets-output.jsonl\` appears
beside it. Every project has one of its own (\`default\` for the default project, else its id, in \`{data}/buckets\`); more are granted in the file:

\`\`\`yaml
buckets:
  - { bucket: demo, folder: ./buckets/demo, projects: [default] }
\`\`\`

Secrets come only from variables (\`\${NAME}\`) or files (\`{ file: path }\`).
`
}
