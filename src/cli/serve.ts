import { startServe } from '../app.ts'
import type { Settings } from '../config.ts'
import { letHeapGrow } from '../kit/heap.ts'
import { exit, type Exit } from './failure.ts'
import { leaveSoon, onStop, stoppingWords } from './stopping.ts'
import type { Terminal } from './terminal.ts'

/** API and worker, until stopped. */
export async function serve(t: Terminal, settings: Settings): Promise<Exit> {
  letHeapGrow()
  const stopping = onStop(() => t.err(stoppingWords(settings.grace)))
  const app = await startServe(settings)
  t.err(`Nightshift listens on ${app.url}\n`)
  if (!app.url.startsWith('https:') && !isLoopback(settings.host)) t.err(openWords(settings.host))
  if (settings.backends.length === 0) t.err('No backend is set: batches wait. Give one with --backend URL.\n')
  if (app.first.key !== null) t.err(firstWords(app.url, app.first.key, app.first.credentials))
  else if (app.first.knowsKey) t.err(`The key is in ${app.first.credentials}\n`)
  else t.err('The database has keys, and this data folder knows none of them. Make one with: nightshift keys create\n')
  try {
    await app.run(stopping.signal)
  } finally {
    await app[Symbol.asyncDispose]()
  }
  leaveSoon()
  return stopping.by() === 'SIGINT' ? exit.stopped : exit.done
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

const openWords = (host: string): string =>
  `WARNING: it listens on ${host} without TLS: keys, requests and results can be read on their way. Give --tls-cert and --tls-key, or let nothing reach it but a proxy that speaks TLS.\n`

/** The key itself is shown on a terminal only. */
const firstWords = (url: string, key: string, credentials: string): string =>
  process.stderr.isTTY
    ? `Made the project "default". To use it from here, paste:\n  export OPENAI_BASE_URL=${url}/v1\n  export OPENAI_API_KEY=${key}\n  curl -H "Authorization: Bearer $OPENAI_API_KEY" $OPENAI_BASE_URL/models\n`
    : `Made the project "default". Its key is in ${credentials}\n`
