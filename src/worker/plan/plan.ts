/** Plans one file: streams it once, checks every line, writes the planned lines to one blob, and cuts that into shards. Nothing of it is held but hashes and sizes. */
import { createGunzip } from 'node:zlib'
import { pipeline, Readable } from 'node:stream'
import type { Blobs, BlobsPlace } from '../../blobs/blobs.ts'
import type { Bucket } from '../../blobs/bucket.ts'
import { splitLines } from '../../kit/lines.ts'
import type { PlanError } from '../../domain/batch.ts'
import { hashOfId, makeHash, makeHashList, type Hash } from '../../domain/custom-id-hash.ts'
import { endpointOf } from '../../domain/endpoints.ts'
import { makeLineChecker, shown } from '../../domain/line.ts'
import type { BucketPlace } from '../../domain/grant.ts'
import { plannedBytes } from '../../domain/plan-format.ts'
import { makePicks } from '../../domain/retried.ts'
import { makeCells } from './cells.ts'
import { findDuplicates } from './duplicates.ts'
import type { PlanResult, PlanSource, PlanSpec } from './plan-spec.ts'
import { collectErrors, type PlanErrors } from './plan-errors.ts'
import { otherLines, pickFailed } from './pick-failed.ts'
import { makePages, type Pages } from './pages.ts'

export interface PlanParts {
  /** Opens the input anew, as it was seen. */
  readonly read: (signal: AbortSignal) => AsyncIterable<Buffer>
  /** The same, of the error file, where only its lines are planned. */
  readonly readErrors?: ((signal: AbortSignal) => AsyncIterable<Buffer>) | null
  /** null: where the plan has no target. */
  readonly target: Blobs | null
  readonly hash: Hash
}

class Refused extends Error {}

const shortPageBytes = 32 * 1024

export interface Opening {
  readonly openBlobs: (place: BlobsPlace) => Blobs
  readonly openBucket: (place: BucketPlace, bucket: string) => Bucket
}

/** Opens the input of a plan anew at each call. */
export function readerOf(input: PlanSource, { openBlobs, openBucket }: Opening): PlanParts['read'] {
  if (input.kind === 'blob') {
    const blobs = openBlobs(input.place)
    return (signal) => blobs.read(input.name, undefined, signal)
  }
  const bucket = openBucket(input.place, input.bucket)
  return (signal) => bucket.read(input.key, input.seen, undefined, signal)
}

/** Nobody can make ids that collide under it. */
export function randomHash(randomBytes: (n: number) => Uint8Array): Hash {
  const seeds = Buffer.from(randomBytes(8))
  return makeHash(seeds.readInt32LE(0), seeds.readInt32LE(4))
}

/** @throws what the blobs and buckets throw; nothing then stands under the target's name */
export async function planFile(
  { read, readErrors, target, hash }: PlanParts,
  spec: PlanSpec,
  signal: AbortSignal,
): Promise<PlanResult> {
  const endpoint = endpointOf(spec.endpoint)
  if (!endpoint) throw new Error(`no such endpoint: ${spec.endpoint}`)
  const checker = makeLineChecker(endpoint)
  const errors = collectErrors()
  const cells = makeCells()
  const tokens = { input: 0, output: 0 }
  const open = () => (spec.gzip ? gunzipped(owned(read(signal)), errors) : read(signal))

  async function* planned(): AsyncGenerator<Buffer> {
    const hashes = makeHashList()
    const pages = makePages(spec.short ? shortPageBytes : undefined)
    let asked = 0
    let inputs = 0
    const wanted = spec.retry && readErrors ? await pickFailed(readErrors(signal), spec.retry, hash, errors) : null
    if (errors.any) throw new Refused()
    const found = makePicks()
    const onLine = (bytes: Buffer, start: number, end: number, number: number): void => {
      if (wanted && !wanted.has(number)) return
      if (++asked === spec.maxLines + 1) errors.add(tooManyLines(spec.maxLines))
      const line = checker.check(bytes, start, end, number)
      if (line.kind === 'bad') return line.errors.forEach((e) => errors.add(e))
      inputs += line.inputs
      tokens.input += line.tokens.input
      tokens.output += line.tokens.output
      const idHash = hashOfId(hash, bytes, line.customIdStart, line.customIdEnd)
      hashes.add(idHash)
      if (wanted) found.add(number, idHash)
      const size = plannedBytes(line.customIdEnd - line.customIdStart, line.bodyEnd - line.bodyStart)
      cells.add(size)
      if (!errors.any) pages.write(bytes, line, number, size)
    }
    const whole = yield* eachLine(open(), spec, errors, onLine, pages)
    if (inputs > spec.maxInputs && asked <= spec.maxLines) errors.add(tooManyInputs(inputs, spec.maxInputs))
    if (wanted && (found.count !== wanted.count || found.sum !== wanted.sum)) errors.add(otherLines)
    if (asked === 0 && !errors.any) errors.add(emptyFile)
    const { model, modelLine } = checker
    if (model !== null && spec.models && !spec.models.includes(model)) errors.add(modelNotFound(model, modelLine))
    const candidates = hashes.repeated()
    if (whole && candidates.length > 0) await findDuplicates({ open, spec, checker, hash, candidates, errors })
    if (errors.any) throw new Refused()
  }

  try {
    const short = spec.short ? await wholeOf(planned()) : null
    if (!short && spec.target && target) await target.put(spec.target.name, planned(), signal)
    else if (!short) await drained(planned(), signal)
    const shards = cells.cut(spec)
    return {
      kind: 'planned',
      lines: cells.lines,
      bytes: cells.bytes,
      tokens,
      model: checker.model ?? '',
      shards: short ? shards.map((s) => ({ ...s, body: short.toString('base64', s.offset, s.offset + s.bytes) })) : shards,
    }
  } catch (error) {
    if (error instanceof Refused || (errors.any && !signal.aborted && isZlib(error)))
      return { kind: 'refused', errors: errors.list() }
    throw error
  }
}

async function drained(source: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
  for await (const _ of source) signal.throwIfAborted()
}

/** NOTE: what a source yields is good until the next is asked for. */
async function wholeOf(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of source) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

const isZlib = (error: unknown): boolean => error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')

/** Runs the lines of a file past `onLine`, and gives what it wrote stretch by stretch. Beyond the byte limit nothing is read; false then. */
async function* eachLine(
  source: AsyncIterable<Buffer>,
  spec: PlanSpec,
  errors: PlanErrors,
  onLine: (bytes: Buffer, start: number, end: number, number: number) => void,
  pages: Pages,
): AsyncGenerator<Buffer, boolean> {
  const splitter = splitLines({
    maxLineBytes: spec.maxLineBytes,
    line: onLine,
    tooLong: (number) => errors.add(lineTooLong(number, spec.maxLineBytes)),
  })
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.length
    if (bytes > spec.maxFileBytes) {
      errors.add(fileTooLarge(spec.maxFileBytes))
      return false
    }
    splitter.take(chunk)
    yield* pages.full()
    pages.written()
  }
  splitter.end()
  yield* pages.rest()
  return true
}

/** The unpacker holds what it was given while it asks for more. */
async function* owned(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of source) yield Buffer.from(chunk)
}

async function* gunzipped(source: AsyncIterable<Buffer>, errors: PlanErrors): AsyncGenerator<Buffer> {
  const unpacker = createGunzip({ chunkSize: 256 * 1024 })
  pipeline(Readable.from(source), unpacker, () => {}) // NOTE: `pipe` would tell neither side that the other broke or was left
  try {
    for await (const chunk of unpacker) yield chunk as Buffer
  } catch (error) {
    if (isZlib(error))
      errors.add({
        code: 'invalid_gzip',
        message: 'The file cannot be unpacked: it is not gzip, or not whole.',
        param: null,
        line: null,
      })
    throw error
  }
}

const atFile = (code: string, message: string, line: number | null = null): PlanError => ({ code, message, param: null, line })
const emptyFile = atFile('empty_file', 'The input file is empty. Please ensure that the batch contains at least one request.')
const tooManyLines = (max: number) =>
  atFile('too_many_tasks', `The file has too many requests: at most ${max} are allowed. Split it into several batches.`)
const modelNotFound = (model: string, line: number): PlanError => ({
  code: 'model_not_found',
  message: `The provided model '${shown(model)}' is not supported by the Batch API.`,
  param: 'body.model',
  line,
})
const tooManyInputs = (got: number, max: number) =>
  atFile('too_many_tasks', `The file has ${got} inputs to embed: at most ${max} are allowed. Split it into several batches.`)
const fileTooLarge = (max: number) =>
  atFile('file_too_large', `The file is too large: at most ${max} bytes are allowed. Split it into several batches.`)
const lineTooLong = (line: number, max: number) =>
  atFile('line_too_long', `This line is too long: at most ${max} bytes are allowed.`, line)
