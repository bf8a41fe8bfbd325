import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { BatchView, Client } from '../client.ts'
import { endpointOf } from '../domain/endpoints.ts'
import { makeLineChecker } from '../domain/line.ts'
import { splitLines } from '../kit/lines.ts'
import { download } from './download.ts'
import { Failure } from './failure.ts'

/** A line of an input, as it stands there: its physical number, its custom_id with its quotes, and its body. */
export interface InputLine {
  readonly number: number
  readonly customId: Buffer
  readonly request: Buffer
}

const aboveEveryLine = 2 ** 31

export const changed = ({ input_file_id: input }: BatchView) =>
  new Failure(`The input ${input} is not as it was when the batch ran: its lines have other ids than the results.`)

/** The lines of the input of a batch that has run, in their order. @throws {Failure} when it is another by now */
export async function* inputLines(client: Client, batch: BatchView): AsyncGenerator<InputLine> {
  const endpoint = endpointOf(batch.endpoint)
  if (!endpoint) throw new Failure(`This version does not know the endpoint ${batch.endpoint}.`)
  const checker = makeLineChecker(endpoint)
  let lines: InputLine[] = []
  const splitter = splitLines({
    maxLineBytes: aboveEveryLine,
    tooLong: () => {},
    line(bytes, start, end, number) {
      const line = checker.check(bytes, start, end, number)
      if (line.kind === 'bad') throw changed(batch)
      const copy = (from: number, to: number) => Buffer.from(bytes.subarray(from, to))
      lines.push({
        number,
        customId: copy(line.customIdStart, line.customIdEnd),
        request: copy(line.bodyStart, line.bodyEnd),
      })
    },
  })
  for await (const chunk of unpacked(download(client, batch.input_file_id), batch.input_file_id)) {
    splitter.take(chunk)
    yield* lines
    lines = []
  }
  splitter.end()
  yield* lines
}

async function* unpacked(source: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Buffer> {
  if (!/^[a-z0-9]+:\/\/.*\.gz$/is.test(name)) {
    for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    return
  }
  const unpacker = createGunzip()
  pipeline(Readable.from(source), unpacker, () => {}) // NOTE: `pipe` would tell neither side that the other broke or was left
  for await (const chunk of unpacker) yield chunk as Buffer
}
