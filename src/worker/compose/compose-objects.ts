import type { Bucket, ObjectSeen, Staged } from '../../blobs/bucket.ts'
import type { Batch } from '../../domain/batch.ts'
import { storeOf } from '../../domain/grant.ts'
import { outputKeys, outputKeysWithId } from '../../domain/output-names.ts'
import { outputsOf, recordStaged, releaseOutputs, reserveOutputs, type Output, type OutputName } from '../../store/outputs.ts'
import { renewWalk } from '../../store/walks.ts'
import type { Placed, Results } from './results.ts'
import { locateInput } from '../input.ts'
import type { WorkerParts } from '../parts.ts'

/** The names of a batch's two results in its bucket. */
interface Pair {
  readonly output: OutputName
  readonly error: OutputName
}
type Kind = keyof Pair
const kinds: readonly Kind[] = ['output', 'error']

/**
 * Object in, objects out, beside it (D5, D6). Both names are reserved for this batch by rows; what is staged is recorded in its row before it appears, which
 * is how a composer after a crash knows its own. If either name is taken by anybody, both change to those with the batch's id. null: the fence is old.
 *
 * A composer that stood still may come back when another has published in its place. So it deletes only what its rows said while the fence was its own, and
 * what another may take for its own (a finished object under its name) only once the row says so, under the fence: it is doomed, and nobody publishes it.
 */
export async function composeObjects(
  parts: WorkerParts,
  batch: Batch,
  fence: number,
  results: Results,
  signal: AbortSignal,
): Promise<Placed | null> {
  const { db, settings, clock } = parts
  const located = await locateInput(db, batch)
  if (!located) throw new Error(`bucket of ${batch.input} is no longer granted to the project`)
  const { place } = located.grant
  const bucket = parts.openBucket(place, located.bucket)
  const store = storeOf(place)
  const pairOf = (keys: { output: string; error: string }): Pair => ({
    output: { store, bucket: located.bucket, key: keys.output, kind: 'output' },
    error: { store, bucket: located.bucket, key: keys.error, kind: 'error' },
  })
  const plain = pairOf(outputKeys(located.key, settings.suffixes))
  const withId = pairOf(outputKeysWithId(located.key, batch.id, settings.suffixes))

  const earlier = await outputsOf(db, batch.id)
  for (const pair of earlier.some((o) => o.key === withId.output.key) ? [withId] : [plain, withId]) {
    const put = await placePair(pair)
    if (put === 'old') return null
    if (put === 'taken') continue
    const written = kinds.filter((k) => results[k])
    return {
      outputFileId: results.output ? located.addressOf(pair.output.key) : null,
      errorFileId: results.error ? located.addressOf(pair.error.key) : null,
      files: [],
      objects: written.map((k) => pair[k]),
      objectsExpireAt: batch.outputExpiresSeconds === null ? null : clock.now() + batch.outputExpiresSeconds * 1000,
    }
  }
  throw new Error(`both ${plain.output.key} and ${withId.output.key} are taken by objects that this batch did not write`)

  async function placePair(pair: Pair): Promise<'placed' | 'taken' | 'old'> {
    const walk = { projectId: batch.projectId, batchId: batch.id, fence, leaseMs: settings.leaseMs }
    const reserved = await reserveOutputs(db, walk, [pair.output, pair.error])
    if (reserved !== 'reserved') return reserved
    const rows = await outputsOf(db, batch.id)
    if (!(await renewWalk(db, batch.id, fence, settings.leaseMs))) return 'old' // NOTE: asked behind the reading: no other composer had written there
    const mine = (kind: Kind) => rows.find((o) => o.kind === kind && o.key === pair[kind].key) ?? null
    await bucket.discardStaged(pair.output.key, batch.id)
    for (const row of rows) if (row.staged) await bucket.discard(row.key, stagedOf(row.staged).handle)
    const standing = {
      output: await standingOf(bucket, mine('output'), pair.output.key),
      error: await standingOf(bucket, mine('error'), pair.error.key),
    }
    if (kinds.some((k) => standing[k] === 'foreign')) return giveWay(pair, rows)
    const staged: Partial<Record<Kind, Staged>> = {}
    for (const kind of kinds) {
      const found = standing[kind]
      if (typeof found === 'string') continue
      if (!found.isDoomed && results.whole && results[kind]) staged[kind] = found.staged
      else if (await doomed(pair[kind], found.staged)) await bucket.delete(pair[kind].key, found.seen)
      else return 'old'
    }
    for (const kind of kinds) {
      const lines = results[kind]
      if (!lines || staged[kind]) continue
      const one = await stage(pair[kind], kind, lines.stream(signal))
      if (!one) return 'old'
      staged[kind] = one
    }
    for (const kind of kinds) {
      const one = staged[kind]
      if (!one) continue
      const seen = await bucket.publish(pair[kind].key, one)
      if (seen === 'taken') return giveWay(pair, await outputsOf(db, batch.id))
      if (seen.tag !== one.tag && !(await record(pair[kind], { ...one, ...seen }))) return 'old'
    }
    return 'placed'
  }

  function record(name: OutputName, one: Staged): Promise<boolean> {
    return recordStaged(db, { batchId: batch.id, fence }, name, one)
  }

  function doomed(name: OutputName, one: Staged): Promise<boolean> {
    return record(name, { ...one, handle: doom + one.handle })
  }

  /** Its handle is recorded before its first byte, and what it came to at its end. null: the fence is old. */
  async function stage(name: OutputName, kind: Kind, lines: AsyncIterable<Buffer>): Promise<Staged | null> {
    const begun = async (handle: string) => {
      if (!(await record(name, { bytes: 0, tag: unfinished, handle }))) throw new OldFence()
    }
    const bytes = results.bytes?.[kind]
    try {
      const staging = { begun, ...(bytes !== undefined && { bytes }) }
      const one = await bucket.stage(name.key, `${batch.id}-${fence}-${kind}`, lines, signal, staging)
      if (await record(name, one)) return one
      await bucket.discard(name.key, one.handle)
      return null
    } catch (error) {
      if (error instanceof OldFence) return null
      throw error
    }
  }

  /** A name is somebody else's: what we have under the other goes, and both names are given back. */
  async function giveWay(pair: Pair, rows: readonly Output[]): Promise<'taken' | 'old'> {
    for (const row of rows) {
      if (!row.staged) continue
      const staged = stagedOf(row.staged)
      if (!(await doomed(row, staged))) return 'old'
      await bucket.discard(row.key, staged.handle)
      const found = await bucket.standing(row.key, staged)
      if (typeof found !== 'string') await bucket.delete(row.key, found)
    }
    await bucket.discardStaged(pair.output.key, batch.id)
    return db.tx(async (tx) => {
      if (!(await renewWalk(tx, batch.id, fence, settings.leaseMs))) return 'old'
      await releaseOutputs(tx, batch.id, [pair.output, pair.error])
      return 'taken'
    })
  }
}

class OldFence extends Error {}

/** In the place of the tag: no object has it. */
const unfinished = ''
/** Before the handle: what stands under the name is about to be deleted by who wrote it. */
const doom = 'doomed '

const stagedOf = (one: Staged): Staged => (one.handle.startsWith(doom) ? { ...one, handle: one.handle.slice(doom.length) } : one)

interface Ours {
  readonly staged: Staged
  readonly seen: ObjectSeen
  readonly isDoomed: boolean
}

/** Whose is what stands under a reserved name? Ours if it is what the row says was staged. */
async function standingOf(bucket: Bucket, row: Output | null, key: string): Promise<'free' | 'foreign' | Ours> {
  const staged = row?.staged ? stagedOf(row.staged) : null
  const seen = await bucket.standing(key, staged)
  if (typeof seen === 'string') return seen
  return staged ? { staged, seen, isDoomed: row?.staged !== staged } : 'foreign'
}
