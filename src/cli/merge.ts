import { mkdtemp, open, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { BatchView, Client } from '../client.ts'
import type { BatchId } from '../domain/ids.ts'
import type { Merged } from '../domain/merged.ts'
import { beginningOf, resultIdPrefix } from '../domain/result.ts'
import { splitLines } from '../kit/lines.ts'
import { download } from './download.ts'
import { Failure } from './failure.ts'
import { changed, inputLines } from './input-lines.ts'
import { openTable, type Format, type Write } from './merge-formats.ts'
import { makeResultIndex, openLines, type ResultIndex } from './result-index.ts'
import { temporary } from './temporary.ts'

/** The two files as they were fetched, and where in them each line's result stands. */
interface Fetched {
  readonly prefix: string
  readonly paths: readonly [output: string, error: string]
  readonly index: ResultIndex
}

const aboveEveryLine = 2 ** 31

/**
 * Writes the results in the order of the input, each line with what was asked, joined by custom_id. The files are fetched aside and indexed by the number that the
 * id of each result bears; then the input is streamed. Memory: eight bytes a line and the longest line; disk: the results once, and what is written of them.
 */
export async function mergeResults(client: Client, batch: BatchView, path: string, format: Format, out: Write): Promise<void> {
  const toOut = path === '-'
  const folder = toOut ? tmpdir() : dirname(path)
  const aside = await mkdtemp(join(folder, '.nightshift-merge-')).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    throw new Failure(`The folder ${folder} cannot be written: ${why}. Name another with --to.`, 1, { cause: error })
  })
  using _ = temporary(aside)
  const fetched = await fetchResults(client, batch, aside)
  if (toOut) return await writeMerged(client, batch, fetched, format, out)
  const whole = join(aside, 'merged')
  await using file = await open(whole, 'w')
  await writeMerged(client, batch, fetched, format, (bytes) => file.appendFile(bytes))
  await rename(whole, path)
}

async function fetchResults(client: Client, batch: BatchView, folder: string): Promise<Fetched> {
  const fetched: Fetched = {
    prefix: resultIdPrefix(batch.id as BatchId),
    paths: [join(folder, 'output'), join(folder, 'error')],
    index: makeResultIndex(),
  }
  for (const [at, id] of [batch.output_file_id, batch.error_file_id].entries()) {
    await using file = await open(fetched.paths[at] ?? '', 'w')
    let offset = 0
    const splitter = splitLines({
      maxLineBytes: aboveEveryLine,
      tooLong: () => {},
      line(bytes, start, end) {
        const found = beginningOf(fetched.prefix, bytes, start, end)
        if (!found) throw new Failure(`${id} has a line that is no result of batch ${batch.id}: somebody has changed it.`)
        fetched.index.add(found.line, at, offset)
        offset += end - start + 1
      },
    })
    if (id === null) continue
    for await (const chunk of download(client, id)) {
      await file.appendFile(chunk)
      splitter.take(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
    }
  }
  return fetched
}

async function writeMerged(client: Client, batch: BatchView, fetched: Fetched, format: Format, out: Write): Promise<void> {
  using output = openLines(fetched.paths[0])
  using error = openLines(fetched.paths[1])
  const table = await openTable(format, out)
  let merged = 0
  for await (const asked of inputLines(client, batch)) {
    const place = fetched.index.find(asked.number)
    if (!place) continue // NOTE: of a retry, whose input has more lines than it ran
    const result = (place.file === 0 ? output : error).at(place.offset)
    const found = beginningOf(fetched.prefix, result, 0, result.length)
    if (!found || !result.subarray(found.customIdStart, found.customIdEnd).equals(asked.customId)) throw changed(batch)
    const line: Merged = { ...asked, result, customIdEnd: found.customIdEnd }
    await table.add(line)
    merged++
  }
  if (merged !== fetched.index.count) throw changed(batch)
  await table.end()
}
