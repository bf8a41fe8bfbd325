import { createReadStream } from 'node:fs'
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { startServe, startSimulator } from '../app.ts'
import { openClient, type BatchView, type Client } from '../client.ts'
import { loadSettings } from '../config.ts'
import type { Env } from '../config/file.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { onStop } from './stopping.ts'
import { describeBatch, type Terminal } from './terminal.ts'
import { follow } from './watch.ts'

const folder = 'nightshift-demo'
const examples = new URL('../../examples/', import.meta.url)

export interface DemoFlags {
  readonly backend?: readonly string[]
  readonly lines?: number
}

/** Everything at once on free ports: a simulated inference server (or a real one), the server, one batch by address and one by upload. */
export async function demo(t: Terminal, { backend, lines }: DemoFlags, env: Env): Promise<Exit> {
  const stopping = onStop()
  const home = resolve(folder)
  await emptyFolder(home)
  const simulator = backend ? null : await startSimulator({ tokenMs: 1, firstTokenMs: 10 })
  const url = backend ?? [simulator?.url ?? '']
  t.err(
    simulator
      ? `A simulated inference server listens on ${simulator.url}; its answers are made up. Use a real one with: npm run demo -- --backend URL\n`
      : `Using ${url.join(', ')}\n`,
  )
  const app = await startServe(
    loadSettings({ backend: url, flags: { data: home, port: '0', logLevel: 'warn', grace: '3s' } }, env),
  )
  const stop = new AbortController()
  const running = app.run(AbortSignal.any([stopping.signal, stop.signal]))
  try {
    const key = app.first.key ?? (JSON.parse(await readFile(app.first.credentials, 'utf8')) as { key: string }).key
    const client = openClient({ url: app.url, key })
    t.err(`Nightshift listens on ${app.url}, data in ${home}\n\n`)
    const model = await firstModel(client, stopping.signal)
    return await runExamples(t, client, home, model, lines ?? Infinity, stopping.signal)
  } finally {
    stop.abort()
    await running
    await app[Symbol.asyncDispose]()
    await simulator?.[Symbol.asyncDispose]()
    t.err(`\nEverything is stopped. The demo's folder is ${home}\n`)
  }
}

async function runExamples(
  t: Terminal,
  client: Client,
  home: string,
  model: string,
  lines: number,
  signal: AbortSignal,
): Promise<Exit> {
  const chat = join(home, 'buckets/default/packages-chat.jsonl')
  await writeExample('packages-chat.jsonl', chat, model, lines)
  t.err('1. By address: 500 descriptions of Debian packages are classified; s3://default/packages-chat.jsonl\n')
  const first = await client.createBatch({
    input_file_id: 's3://default/packages-chat.jsonl',
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  })
  const byAddress = await follow(t, client, first.id, signal)
  t.out(describeBatch(t, byAddress))
  await showAnswers(t, client, byAddress)

  const embeddings = join(home, 'packages-embeddings.jsonl')
  await writeExample('packages-embeddings.jsonl', embeddings, model, lines)
  t.err('\n2. By upload: 100 of them as embeddings\n')
  const file = await client.upload({ name: 'packages-embeddings.jsonl', stream: () => createReadStream(embeddings) }, signal)
  const second = await client.createBatch({ input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h' })
  const byUpload = await follow(t, client, second.id, signal)
  t.out(describeBatch(t, byUpload))
  return byAddress.status === 'completed' && byUpload.status === 'completed' ? exit.done : exit.failed
}

/** A folder that an earlier demo made, or none. */
async function emptyFolder(home: string): Promise<void> {
  const mark = join(home, 'this-is-a-nightshift-demo')
  if (await stat(home).catch(() => null)) {
    if (!(await stat(mark).catch(() => null)))
      throw new Failure(`${home} is there and was not made by a demo. Move it away, or start the demo elsewhere.`)
    await rm(home, { recursive: true })
  }
  await mkdir(join(home, 'buckets/default'), { recursive: true })
  await writeFile(mark, 'Made by "nightshift demo", which empties it at each start.\n')
}

async function firstModel(client: Client, signal: AbortSignal): Promise<string> {
  for (let tries = 0; tries < 100 && !signal.aborted; tries++) {
    const [model] = await client.models(signal)
    if (model !== undefined) return model
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Failure('The backend has told no model in ten seconds. Is it running, and has it /v1/models?')
}

/** The examples name the model `sim`. */
async function writeExample(name: string, to: string, model: string, lines: number): Promise<void> {
  if (model === 'sim' && lines === Infinity) return copyFile(new URL(name, examples), to)
  const text = (await readFile(new URL(name, examples), 'utf8')).trimEnd().split('\n').slice(0, lines)
  await writeFile(to, text.map((line) => `${line.replace('"model":"sim"', () => `"model":${JSON.stringify(model)}`)}\n`).join(''))
}

async function showAnswers(t: Terminal, client: Client, batch: BatchView): Promise<void> {
  if (batch.output_file_id === null) return
  const chunks: Uint8Array[] = []
  for await (const chunk of await client.content(batch.output_file_id, 0)) chunks.push(chunk)
  const known = JSON.parse(await readFile(new URL('answers.json', examples), 'utf8')) as Record<string, string>
  const results = Buffer.concat(chunks)
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map(
      (line) => JSON.parse(line) as { custom_id: string; response: { body: { choices?: { message?: { content?: string } }[] } } },
    )
  const answer = (r: (typeof results)[number]) => r.response.body.choices?.[0]?.message?.content ?? ''
  const right = results.filter((r) =>
    answer(r)
      .toLowerCase()
      .includes((known[r.custom_id] ?? '\0').toLowerCase()),
  ).length
  for (const r of results.slice(0, 3))
    t.out(`  ${r.custom_id}: ${answer(r).slice(0, 60)} (known: ${known[r.custom_id] ?? 'unknown'})\n`)
  t.out(`  ${right} of ${results.length} answers are the known ones\n`)
}
