/** One segment of all that a shard has: those of its checkpoints and what was drained last. */
import type { Blobs, BlobRange } from '../../blobs/blobs.ts'
import { errorsOf, outputOf, type Part, type Segment, type Stored } from '../../store/segments.ts'
import { readAhead } from '../read-ahead.ts'
import type { Drained } from './held-shard.ts'

interface WholeParts {
  readonly scratch: Blobs
  readonly bigBytes: number
  readonly signal: AbortSignal
}

/**
 * Written under `name`, durable when this resolves. Where the segments have `bigBytes` on average they are not written again: what was drained last is put
 * beside them under `rest`, and the blob composed of all. Gives the names of the blobs that it takes the place of.
 */
export async function writeWhole(
  { scratch, bigBytes, signal }: WholeParts,
  { name, rest }: { readonly name: string; readonly rest: string },
  earlier: readonly Segment[],
  drained: Drained,
): Promise<string[]> {
  const bytes = [...drained.outputs, ...drained.errors]
  const replaced = earlier.map((s) => s.place).filter((place) => typeof place === 'string')
  const size = earlier.reduce((sum, s) => sum + s.outputBytes + s.errorBytes, 0)
  if (earlier.length === 0) await scratch.put(name, bytes, signal)
  else if (replaced.length < earlier.length || size < bigBytes * earlier.length)
    await scratch.put(name, joined({ scratch, signal }, earlier, drained), signal)
  else {
    await scratch.put(rest, bytes, signal)
    await scratch.compose(name, partsOf([...earlier, { ...drained, place: rest }]).flatMap(stretchOf), scratch, signal)
    replaced.push(rest)
  }
  return replaced
}

/** Outputs of all, then errors of all. */
const partsOf = (segments: readonly Stored[]): Part[] => [...segments.map(outputOf), ...segments.map(errorsOf)]

const stretchOf = ({ place, start, bytes }: Part): BlobRange[] =>
  typeof place === 'string' ? [{ name: place, start, bytes }] : []

async function* joined(
  { scratch, signal }: Pick<WholeParts, 'scratch' | 'signal'>,
  earlier: readonly Segment[],
  drained: Drained,
): AsyncGenerator<Uint8Array> {
  yield* readAhead(scratch, earlier.map(outputOf), signal)
  yield* drained.outputs
  yield* readAhead(scratch, earlier.map(errorsOf), signal)
  yield* drained.errors
}
