import type { Client } from '../client.ts'
import { exit, type Exit } from './failure.ts'
import { writeOut } from './results.ts'
import { onStop, pause } from './stopping.ts'
import type { Terminal } from './terminal.ts'
import { exitOf } from './watch.ts'

/** Saves come each second by default; a page of so many bytes is likely not the last that is there. */
const leastMs = 200
const mostMs = 1000
const manyBytes = 1024 * 1024

/** Writes the lines of a batch to standard output as they end, each once, to the last. Stopped, it tells the position from which `--after` goes on. */
export async function followResults(t: Terminal, client: Client, id: string, from: string | null): Promise<Exit> {
  const stop = onStop()
  let after = from
  for (let pauseMs = leastMs; ;) {
    const page = await client.results(id, after, stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return null
      throw error
    })
    if (!page) return stopped(t, id, after)
    await writeOut(page.lines)
    after = page.after
    if (!page.incomplete) return exitOf(await client.getBatch(id))
    pauseMs = page.lines.length > 0 ? leastMs : Math.min(mostMs, pauseMs * 1.5)
    if (page.lines.length < manyBytes) await pause(pauseMs, stop.signal)
    if (stop.signal.aborted) return stopped(t, id, after)
  }
}

function stopped(t: Terminal, id: string, after: string | null): Exit {
  t.err(`Stopped. Go on with: nightshift results ${id} --follow${after === null ? '' : ` --after ${after}`}\n`)
  return exit.stopped
}
