/**
 * Points the suite at a server that runs already, and prints a table: `npm run conformance -- --url URL --key KEY`.
 * `npm run conformance -- backend --port 9100` starts the scripted backend that such a server must have in order to be checked wholly (docs/conformance.md).
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { startScriptedBackend } from './scripted-backend.ts'

const usage = `usage: npm run conformance -- --url URL --key KEY [options]
       npm run conformance -- backend [--port PORT]

  --second-key KEY         a key of another project, for what one project may not see of another
  --project ID             the project of --key; --second-project ID: that of --second-key
  --bucket NAME            a bucket granted to the project, and --bucket-dir FOLDER, where its objects lie on this machine
  --backend-control URL    the scripted backend that the server sends its lines to
  --model NAME             a model that the server has (default: night-1, which the scripted backend has, else the first of its models)
  --only TEXT              only checks whose name has this in it`

/** Flag -> the variable by which the suite reads it. */
const variables = {
  url: 'NIGHTSHIFT_BASE_URL',
  key: 'NIGHTSHIFT_API_KEY',
  'second-key': 'NIGHTSHIFT_SECOND_KEY',
  project: 'NIGHTSHIFT_PROJECT_ID',
  'second-project': 'NIGHTSHIFT_SECOND_PROJECT_ID',
  bucket: 'NIGHTSHIFT_BUCKET',
  'bucket-dir': 'NIGHTSHIFT_BUCKET_DIR',
  'backend-control': 'NIGHTSHIFT_SIM_CONTROL',
  model: 'NIGHTSHIFT_MODEL',
} as const

/** The part of vitest's JSON report that is read here. */
interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly title: string
      readonly status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo'
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

const root = join(import.meta.dirname, '../..')
const option = { type: 'string' } as const

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...(Object.fromEntries(Object.keys(variables).map((name) => [name, option])) as Record<
        keyof typeof variables,
        typeof option
      >),
      port: option,
      only: option,
    },
  })
  if (positionals[0] === 'backend') {
    const { url } = await startScriptedBackend({ port: Number(values.port ?? 9100) })
    console.log(
      `The scripted backend is at ${url}. It answers what the prompts tell it to: it is no inference server. Ctrl+C ends it.`,
    )
    return new Promise((resolve) => process.once('SIGINT', () => resolve(130)))
  }
  if (values.url === undefined || values.key === undefined) {
    console.error(usage)
    return 2
  }
  const env = { ...process.env }
  for (const [name, variable] of Object.entries(variables)) {
    const value = values[name as keyof typeof variables]
    if (value !== undefined) env[variable] = value
  }
  env.NIGHTSHIFT_MODEL ??= await modelOf(values.url, values.key)
  const report = await runSuite(env, values.only)
  return printTable(report)
}

/** One that the server has: that of the scripted backend, else its first. */
async function modelOf(url: string, key: string): Promise<string> {
  const usual = 'night-1'
  const asked = await fetch(`${url.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1/models`, {
    headers: { authorization: `Bearer ${key}` },
  })
  const { data = [] } = (await asked.json()) as { data?: readonly { id: string }[] }
  return data.some(({ id }) => id === usual) ? usual : (data[0]?.id ?? usual)
}

/** Runs the files one after the other: the checks count what is in the project. */
async function runSuite(env: NodeJS.ProcessEnv, only: string | undefined): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-conformance-'))
  const path = join(folder, 'report.json')
  const command = [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    'test/conformance',
    '--no-file-parallelism',
    '--reporter=json',
    `--outputFile=${path}`,
    ...(only === undefined ? [] : ['-t', only]),
  ]
  const child = spawn(process.execPath, command, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] })
  await new Promise((resolve) => child.on('close', resolve))
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Report
  } finally {
    await rm(folder, { recursive: true })
  }
}

function printTable({ testResults }: Report): number {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const file of testResults.toSorted((a, b) => a.name.localeCompare(b.name))) {
    if (file.name.includes('scripted-backend')) continue
    console.log(`\n${relative(join(root, 'test/conformance'), file.name).replace('.e2e.test.ts', '')}`)
    if (file.assertionResults.length === 0) {
      console.log(`  FAIL  ${file.message}`)
      counts.failed++
    }
    for (const { title, status, failureMessages } of file.assertionResults) {
      const mark = status === 'passed' ? 'ok  ' : status === 'failed' ? 'FAIL' : 'left'
      counts[status === 'passed' ? 'passed' : status === 'failed' ? 'failed' : 'skipped']++
      console.log(`  ${mark}  ${title}`)
      if (status === 'failed') console.log(`        ${failureMessages.join('\n').split('\n').slice(0, 6).join('\n        ')}`)
    }
  }
  console.log(
    `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} left out (docs/conformance.md says what each needs)`,
  )
  return counts.failed === 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
