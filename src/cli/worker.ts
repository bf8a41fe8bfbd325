import { runWorkerAlone } from '../app.ts'
import type { Settings } from '../config.ts'
import { letHeapGrow } from '../kit/heap.ts'
import { workBehindOthers } from '../kit/priority.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { leaveSoon, onStop, stoppingWords } from './stopping.ts'
import type { Terminal } from './terminal.ts'

/** A worker alone, until stopped. */
export async function worker(t: Terminal, settings: Settings): Promise<Exit> {
  if (settings.database === '')
    throw new Failure(
      'A worker alone needs a database that it shares with others: --database postgres://user@host/database. On one machine "nightshift serve" works, too.',
      exit.usage,
    )
  letHeapGrow()
  workBehindOthers()
  const stopping = onStop(() => t.err(stoppingWords(settings.grace)))
  if (settings.backends.length === 0)
    t.err('No backend is set: this worker has nothing to send to. Give one with --backend URL.\n')
  await runWorkerAlone(settings, stopping.signal, (url) =>
    t.err(url === null ? 'The worker works.\n' : `The worker works, and tells of itself on ${url}\n`),
  )
  leaveSoon()
  return stopping.by() === 'SIGINT' ? exit.stopped : exit.done
}
