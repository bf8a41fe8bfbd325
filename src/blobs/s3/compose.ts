/** One object from stretches of others: the big ones are copied by the server, small neighbours are read together and sent. */
import type { BlobRange } from '../blobs.ts'
import type { S3Server } from './client.ts'
import { untagged, type ObjectAt } from './object.ts'
import { putObject } from './objects.ts'
import { composeSteps, partBytesFor, partsAtOnce, usualPartBytes, type Step } from './parts.ts'
import { inTurns } from '../turns.ts'
import { beginUpload, completeUpload, orAbort, sendPart, type Upload } from './upload.ts'

export interface ComposeParts {
  readonly s3: S3Server
  readonly keyOf: (name: string) => string
  readonly readRange: (range: BlobRange, signal?: AbortSignal, into?: Buffer) => Promise<Buffer>
}

const copiesAtOnce = 8
const readsAtOnce = 16

/** Gives the size. @throws {S3Failure}; what reading throws; the signal's reason */
export async function composeObject(
  parts: ComposeParts,
  at: ObjectAt,
  ranges: readonly BlobRange[],
  signal?: AbortSignal,
): Promise<number> {
  const { s3 } = parts
  const whole = sizeOf(ranges)
  if (whole < usualPartBytes) {
    await putObject(s3, at, await gather(parts, ranges, signal), signal)
    return whole
  }
  const steps = composeSteps(ranges).map((step, i) => ({ ...step, number: i + 1 }))
  const upload = await beginUpload(s3, at, {}, signal)
  await orAbort(s3, upload, async () => {
    const tags: string[] = []
    const part = async (step: Numbered, stop: AbortSignal): Promise<void> => {
      tags[step.number - 1] =
        step.kind === 'copy'
          ? await copyPart(parts, upload, step, signal) // NOTE: not ended by another's failure: the server would go on with it, into an upload that was aborted
          : await sendPart(s3, upload, step.number, await gather(parts, step.ranges, stop), stop)
    }
    const copies = steps.filter(({ kind }) => kind === 'copy')
    const sends = steps.filter(({ kind }) => kind === 'send')
    await inTurns(
      [
        (stop: AbortSignal) => inTurns(copies, copiesAtOnce, part, stop),
        (stop: AbortSignal) => inTurns(sends, partsAtOnce(partBytesFor(whole)), part, stop),
      ],
      2,
      (kind, stop) => kind(stop),
      signal,
    )
    await completeUpload(s3, upload, tags)
  })
  return whole
}

type Numbered = Step & { readonly number: number }

const sizeOf = (ranges: readonly BlobRange[]): number => ranges.reduce((sum, { bytes }) => sum + bytes, 0)

async function copyPart(
  { s3, keyOf }: ComposeParts,
  upload: Upload,
  { range, number }: { readonly range: BlobRange; readonly number: number },
  signal?: AbortSignal,
): Promise<string> {
  const source = `${upload.bucket}/${keyOf(range.name)}`.split('/').map(encodeURIComponent).join('/')
  const { CopyPartResult } = await s3.ask(
    `copy '${range.name}' to '${upload.key}' in '${upload.bucket}'`,
    (client, o) =>
      client.uploadPartCopy(
        {
          Bucket: upload.bucket,
          Key: upload.key,
          UploadId: upload.id,
          PartNumber: number,
          CopySource: source,
          CopySourceRange: `bytes=${range.start}-${range.start + range.bytes - 1}`,
        },
        o,
      ),
    signal,
  )
  return untagged(CopyPartResult?.ETag)
}

async function gather({ readRange }: ComposeParts, ranges: readonly BlobRange[], signal?: AbortSignal): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(sizeOf(ranges))
  let end = 0
  const placed = ranges.filter(({ bytes }) => bytes > 0).map((range) => ({ range, from: (end += range.bytes) - range.bytes }))
  await inTurns(
    placed,
    readsAtOnce,
    async ({ range, from }, stop) => void (await readRange(range, stop, buffer.subarray(from, from + range.bytes))),
    signal,
  )
  return buffer
}
