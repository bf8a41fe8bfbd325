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
    headers: { x-team: night }        # their values too may come from a variable or a file
    models: [llama-3.1-8b]            # else asked from /v1/models; a backend without that must list them
    endpoints: [/v1/chat/completions] # else all
    maxInFlight: 64
    weight: 2                         # default 1: of lines that several backends could take, each gets its part by weight times what is free
    aliases: { small: org/Small-3.2 } # a batch says small: only that value is replaced in its bodies, byte for byte
    priority: 10                      # added to bodies that have none: vLLM, set to schedule by priority, lets live requests go first: they have 0
  - url: https://gpu-2.internal
    tls:                              # PEM files, found from where this file lies, read at the start
      ca: ./ca.pem                    # who vouches for the backend, in the place of those that Node knows
      cert: ./client.pem              # what we show to a backend that wants to know us, and its key (without a passphrase)
      key: ./client.key
\`\`\`

Calls to backends go through the proxy that the environment names: \`HTTPS_PROXY\` for addresses with https, by a tunnel, \`HTTP_PROXY\` for those with http, by whole addresses. \`NO_PROXY\` lists
those that are called directly: names (with all below them), addresses, ranges such as \`10.0.0.0/8\`, each with a port or for all of them, or \`*\`. The small forms (\`https_proxy\`) count before the
capital ones. A proxy may be \`http://\` or \`https://\`, with \`user:password@\`. **A backend on this machine (\`localhost\`, \`127.0.0.0/8\`, \`::1\`) is always called directly**, and so are
databases, S3 servers and what lines name: these variables are for backends alone. A proxy that is away, or answers 407 or 502 to a tunnel, counts like a backend that cannot be reached.

## Prices

What models cost, for the \`cost\` of batches and of \`GET /v1/usage\`: a million tokens, or a minute of audio. Of several for a model the latest holds that had begun on the day on which a batch ended.

\`\`\`yaml
billing: { currency: eur, batchPercent: 50 }
prices:
  - { model: small, from: 2026-01-01, input: 0.15, cached: 0.05, output: 0.60 } # cached: else as input
  - { model: whisper-1, minute: 0.006 }
  - { model: "*", input: 1 }                                                    # all others
\`\`\`

## Issuers

Who comes with a token of an OpenID Connect issuer (a cluster, a CI, a single sign-on) needs no key. In the file:

\`\`\`yaml
issuers:
  - url: https://token.actions.githubusercontent.com   # the "iss" of its tokens, and where it describes itself
    audience: https://night.example                    # their "aud": one text, or a list of those that count
    grants:                                            # all that fit count; the first project is for requests that name none
      - where: { repository: acme/evals, ref: refs/heads/* } # claims that a token must have: * is any characters, one of a list is enough
        project: team-a                                # by name or id, or a list
        rights: [batches:write, files:write, files:read, batches:read, results:read] # default: AllProductsFullAccess
  - url: https://kubernetes.default.svc
    audience: nightshift
    keys: { file: ./cluster-jwks.json }                # or an address; else found by how the issuer describes itself
    grants:
      - where: { kubernetes.io.namespace: night }      # a claim within others
        project: team-b
  - url: https://sso.example/realms/acme
    audience: nightshift
    grants:
      - where: { groups: nightshift-* }
        projectFrom: team                              # the claim that names the project, or several
        rightsFrom: nightshift_rights                  # and the rights, as a list or with spaces between; what is no right counts for nothing
      - where: { groups: platform }
        project: default
        rights: [project:admin]
        operator: true
\`\`\`

Every grant needs \`where\`: a public issuer gives tokens to everybody. Who administers a project may rename it, so that ids are safer than names where projects have administrators who do not trust each other. Issuers must be https, but on this machine; an authority of your own is trusted by \`NODE_EXTRA_CA_CERTS\`. Their keys are remembered for ten minutes, and asked for anew when a token
names one that is not known.

## Buckets

A bucket is a place for inputs and results that a project may use: a folder, or a bucket on S3. Every project has a folder of its own (\`default\` for the default project, else its id, in
\`{data}/buckets\`); more are granted in the file:

\`\`\`yaml
buckets:
  - { bucket: demo, folder: ./buckets/demo, projects: [default] } # without projects: the default project, whatever its name
  - bucket: team-*                             # a name, or a pattern: * is any characters
    endpoint: https://s3.fr-par.scw.cloud      # nothing else is ever contacted
    region: fr-par                             # default: us-east-1
    accessKeyId: \${S3_KEY}
    secretAccessKey: { file: /run/secrets/s3 } # read anew for each call: it may be changed while the server runs
    prefix: batches/                           # only this folder of the bucket
    read: true                                 # inputs may be read
    write: true                                # results may be written beside them
    pathStyle: false                           # https://host/bucket/key; default: true for http, false for https
    projects: [default]
\`\`\`

In a folder \`s3://demo/in/tickets.jsonl\` is the file \`in/tickets.jsonl\`, and \`s3://demo/in/tickets-output.jsonl\` appears beside it. On S3 an input is named as \`s3://team-a/in/tickets.jsonl\`
or by its address, \`https://team-a.s3.fr-par.scw.cloud/in/tickets.jsonl\`. The access key needs GetObject, PutObject, DeleteObject, AbortMultipartUpload and ListBucket.

## Blobs

Uploaded files, results of files, plans and results on the way lie in the data folder, in another folder (\`--blobs FOLDER\`), or in a bucket on S3 (\`--blobs s3://bucket/prefix\`), as they must when
there are several machines. How that is reached stands in the file, else in the usual variables (\`AWS_ACCESS_KEY_ID\`, \`AWS_SECRET_ACCESS_KEY\`, \`AWS_SESSION_TOKEN\`, \`AWS_REGION\`,
\`AWS_ENDPOINT_URL_S3\`):

\`\`\`yaml
blobs: { bucket: night, prefix: prod, endpoint: https://s3.fr-par.scw.cloud, region: fr-par, accessKeyId: \${S3_KEY}, secretAccessKey: \${S3_SECRET} }
\`\`\`

The access key needs GetObject, PutObject, DeleteObject, AbortMultipartUpload, ListBucket, ListBucketMultipartUploads and ListMultipartUploadParts: with the last two the parts of uploads that a dead process
has left are found.

Secrets of S3 come only from variables (\`\${NAME}\`) or files (\`{ file: path }\`), and only the name of the variable or file is kept; the key of a backend should.
`
}
