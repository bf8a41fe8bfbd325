import type { BatchView, Client } from '../client.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { openProgress } from './progress.ts'
import { onStop, pause } from './stopping.ts'
import { describeBatch, isOver, type Terminal } from './terminal.ts'

const leastMs = 200
const mostMs = 2000

/** Follows a batch to its end and tells how it was. Stopped, it says that the batch goes on. */
export async function watch(t: Terminal, client: Client, id: string): Promise<Exit> {
  const stop = onStop()
  const batch = await follow(t, client, id, stop.signal).catch((error: unknown) => {
    if (stop.signal.aborted) return null
    throw error
  })
  if (!batch) {
    t.err(`Stopped watching; the batch goes on. To see it again: nightshift watch ${id}\n`)
    return exit.stopped
  }
  t.out(t.json ? `${JSON.stringify(batch, null, 2)}\n` : describeBatch(t, batch))
  return exitOf(batch)
}

export async function follow(t: Terminal, client: Client, id: string, signal?: AbortSignal): Promise<BatchView> {
  const progress = openProgress(t)
  try {
    for (let pauseMs = leastMs; ; pauseMs = Math.min(mostMs, pauseMs * 1.1)) {
      const batch = await client.getBatch(id, signal)
      progress.show({ status: batch.status, ...batch.request_counts, tokens: batch.usage.total_tokens })
      if (isOver(batch.status)) return batch
      if (signal?.aborted) throw new Failure('stopped', exit.stopped)
      await pause(pauseMs, signal)
    }
  } finally {
    progress.end()
  }
}

export function exitOf(batch: BatchView): Exit {
  if (batch.status !== 'completed') return exit.failed
  return batch.error_file_id === null ? exit.done : exit.someFailed
}
