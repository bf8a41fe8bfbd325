import { statSync } from 'node:fs'
import { runFile } from '../run-file.ts'
import type { Settings } from '../config.ts'
import { letHeapGrow } from '../kit/heap.ts'
import { endpointOf } from './create.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { openProgress } from './progress.ts'
import { onStop, stoppingWords } from './stopping.ts'
import type { Terminal } from './terminal.ts'

/** One file through the backends, without a server. */
export async function run(
  t: Terminal,
  settings: Settings,
  file: string,
  { restart, endpoint }: { restart: boolean; endpoint?: string },
): Promise<Exit> {
  const seen = statSync(file, { throwIfNoEntry: false })
  if (!seen?.isFile()) throw new Failure(seen ? `${file} is not a file.` : `There is no file ${file}.`, exit.usage)
  if (settings.backends.length === 0)
    throw new Failure('Say where the inference server is: --backend http://127.0.0.1:8000', exit.usage)
  const url = endpoint ?? (await endpointOf(file))
  if (url === undefined)
    throw new Failure(
      'The first line names no url. Say which endpoint the lines are for: --endpoint /v1/chat/completions',
      exit.usage,
    )
  letHeapGrow()
  const stopping = onStop(() => t.err(stoppingWords(settings.grace)))
  const progress = openProgress(t)
  try {
    const { batch, output, error } = await runFile(
      settings,
      file,
      {
        restart,
        endpoint: url,
        onProgress: (b) =>
          progress.show({
            status: b.status,
            total: b.total,
            completed: b.sums.completed,
            failed: b.sums.failed,
            tokens: b.sums.totalTokens,
          }),
      },
      stopping.signal,
    )
    progress.end()
    if (t.json)
      t.out(
        `${JSON.stringify({ status: batch.status, total: batch.total, completed: batch.sums.completed, failed: batch.sums.failed, output, error, errors: batch.errors }, null, 2)}\n`,
      )
    else {
      for (const e of batch.errors ?? []) t.err(`${e.line === null ? '' : `line ${e.line}: `}${e.message} (${e.code})\n`)
      t.out(`${batch.status}: ${batch.sums.completed} completed, ${batch.sums.failed} failed, of ${batch.total}\n`)
      for (const path of [output, error]) if (path !== null) t.out(`${path}\n`)
    }
    if (batch.status !== 'completed') return exit.failed
    return error === null ? exit.done : exit.someFailed
  } catch (error) {
    if (!stopping.signal.aborted) throw error
    t.err('Stopped. The same command goes on where it was.\n')
    return exit.stopped
  } finally {
    progress.end()
  }
}
