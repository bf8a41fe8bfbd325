/** One segment of all that a shard has: those of its checkpoints and what was drained last. */
import type { Blobs, BlobRange } from '../../blobs/blobs.ts'
import type { Segment } from '../../store/segments.ts'
import type { Drained } from './held-shard.ts'

/**
 * Written under `name`, durable when this resolves. Where the segments have `bigBytes` on average they are not written again: what was drained last is put
 * beside them under `rest`, and the blob composed of all. Gives the names of the blobs that it takes the place of.
 */
export async function writeWhole(
  scratch: Blobs,
  { name, rest }: { readonly name: string; readonly rest: string },
  earlier: readonly Segment[],
  drained: Drained,
  bigBytes: number,
): Promise<string[]> {
  const bytes = [...drained.outputs, ...drained.errors]
  const replaced = earlier.map((s) => s.place).filter((place) => typeof place === 'string')
  const size = earlier.reduce((sum, s) => sum + s.outputBytes + s.errorBytes, 0)
  if (earlier.length === 0) await scratch.put(name, bytes)
  else if (replaced.length < earlier.length || size < bigBytes * earlier.length)
    await scratch.put(name, joined(scratch, earlier, drained))
  else {
    await scratch.put(rest, bytes)
    await scratch.compose(name, stretches([...earlier, { ...drained, place: rest }]), scratch)
    replaced.push(rest)
  }
  return replaced
}

type Stored = Pick<Segment, 'place' | 'outputBytes' | 'errorBytes'>

/** Outputs of all, then errors of all. */
function stretches(segments: readonly Stored[]): BlobRange[] {
  const placed = segments.flatMap((s) => (typeof s.place === 'string' ? [{ ...s, name: s.place }] : []))
  return [
    ...placed.map(({ name, outputBytes }) => ({ name, start: 0, bytes: outputBytes })),
    ...placed.map(({ name, outputBytes, errorBytes }) => ({ name, start: outputBytes, bytes: errorBytes })),
  ]
}

async function* joined(scratch: Blobs, earlier: readonly Segment[], drained: Drained): AsyncGenerator<Uint8Array> {
  for (const s of earlier) yield* part(scratch, s, 0, s.outputBytes)
  yield* drained.outputs
  for (const s of earlier) yield* part(scratch, s, s.outputBytes, s.errorBytes)
  yield* drained.errors
}

async function* part(scratch: Blobs, { place }: Segment, start: number, bytes: number): AsyncGenerator<Uint8Array> {
  if (bytes === 0) return
  if (typeof place === 'string') yield* scratch.read(place, { start, bytes })
  else yield place.subarray(start, start + bytes)
}
