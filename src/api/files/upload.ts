import { basename } from 'node:path'
import type { FastifyRequest } from 'fastify'
import {
  ApiError,
  aboveMaximum,
  belowMinimum,
  fileTooLarge,
  invalid,
  invalidType,
  invalidValue,
  missingParameter,
  overQuota,
  unavailable,
} from '../../domain/errors.ts'
import { audioKindOf } from '../../domain/audio-kind.ts'
import { kindBytes } from '../../domain/media-type.ts'
import { makeFileId } from '../../domain/ids.ts'
import { amountOf } from '../../domain/quota.ts'
import { insertFile, type StoredFile } from '../../store/files.ts'
import type { Queries } from '../../store/db.ts'
import { holdQuotas, storedBytes } from '../../store/quotas.ts'
import { announceUpload, dropUpload, endUpload, renewUploads } from '../../store/uploads.ts'
import type { ApiParts } from '../parts.ts'
import { uploadPurposes } from '../schemas.ts'

const announcedMs = 600_000
/** A first line longer than this is not looked at here: the plan will. */
const firstLineBytes = 1024 * 1024
const invalidFormat = (what: string) => new ApiError(400, null, `Invalid file format. ${what}`, 'file')

interface Received {
  readonly bytes: number
  readonly tooLarge: boolean
  readonly head: Buffer
  readonly firstLine: Buffer
}

/**
 * Streams an upload to the blob store while its fields come before or after it, then judges it. Announced before its first byte and renewed while it lasts; the
 * row and the end of the announcement are one commit (I3). Whatever goes wrong, nothing stays; where the fate of that commit is not known, the janitor looks which it was.
 */
export async function receiveUpload(parts: ApiParts, request: FastifyRequest): Promise<StoredFile> {
  const { db, files } = parts
  if (!request.isMultipart()) throw invalid('file', 'Send the file as multipart/form-data with the fields file and purpose.')
  const id = makeFileId(parts.randomBytes)
  const blob = `${request.caller.projectId}/${id}`
  const fields = new Map<string, string>()
  let filename: string | null = null
  let received: Received | null = null
  let committing = false
  const quotas = await parts.quotas.of(request.caller.projectId)
  const maxBytes = Math.min(parts.limits.maxFileBytes, amountOf(quotas, 'file_bytes') ?? Infinity)
  const storage = amountOf(quotas, 'storage_bytes')
  const renewing = setInterval(() => void renewUploads(db, id, announcedMs).catch(() => {}), announcedMs / 4).unref()
  try {
    for await (const part of request.parts({ limits: { fileSize: Infinity, files: 1, fields: 20, fieldSize: 10_000 } })) {
      if (part.type === 'field') fields.set(part.fieldname, String(part.value))
      else {
        if (part.fieldname !== 'file')
          throw invalid('file', `Unknown file field '${part.fieldname.slice(0, 100)}'. Send one file, in the field 'file'.`)
        filename = basename(part.filename ?? 'upload') || 'upload'
        await announceUpload(db, { blob, owner: id, leaseMs: announcedMs })
        received = await store(parts, blob, part.file, maxBytes)
      }
    }
    const file = judge(parts, request, { id, blob, fields, filename, received }, maxBytes)
    committing = true
    await db.tx(async (tx) => {
      if (storage !== null) await takeStorage(tx, file, storage)
      await insertFile(tx, file)
      if (!(await endUpload(tx, blob, id))) throw unavailable('The upload stood still for too long. Send the file again.')
    })
    return file
  } catch (error) {
    if (committing)
      await announceUpload(db, { blob, owner: id, leaseMs: 0 }).catch(() => {}) // NOTE: the commit may have been heard, so the janitor decides; the announcement may have lapsed
    else if (filename !== null) {
      await files.delete([blob])
      await dropUpload(db, blob)
    }
    throw error
  } finally {
    clearInterval(renewing)
  }
}

/** Stores the bytes up to the limit. What comes beyond is read and dropped, so that the client hears why instead of a broken connection. */
async function store({ files }: ApiParts, blob: string, stream: AsyncIterable<Buffer>, maxBytes: number): Promise<Received> {
  let bytes = 0
  const first: Buffer[] = []
  let firstBytes = 0
  let firstEnded = false
  let head = Buffer.alloc(0)
  async function* within(): AsyncGenerator<Buffer> {
    for await (const chunk of stream) {
      bytes += chunk.length
      if (bytes > maxBytes) continue
      if (head.length < kindBytes) head = Buffer.concat([head, chunk.subarray(0, kindBytes)])
      if (!firstEnded) {
        const end = chunk.indexOf(0x0a)
        const piece = end < 0 ? chunk : chunk.subarray(0, end)
        firstBytes += piece.length
        firstEnded = end >= 0 || firstBytes > firstLineBytes
        first.push(piece)
      }
      yield chunk
    }
  }
  await files.put(blob, within())
  return {
    bytes,
    tooLarge: bytes > maxBytes,
    head,
    firstLine: firstBytes > firstLineBytes ? Buffer.from('{}') : Buffer.concat(first),
  }
}

function judge(
  { limits, clock }: ApiParts,
  request: FastifyRequest,
  {
    id,
    blob,
    fields,
    filename,
    received,
  }: {
    id: StoredFile['id']
    blob: string
    fields: ReadonlyMap<string, string>
    filename: string | null
    received: Received | null
  },
  maxBytes: number,
): StoredFile {
  const purpose = fields.get('purpose')
  if (!received || filename === null) throw missingParameter('file')
  if (purpose === undefined) throw missingParameter('purpose')
  if (!uploadPurposes.includes(purpose)) throw invalidValue('purpose', purpose.slice(0, 100), uploadPurposes)
  if (received.tooLarge) throw fileTooLarge(maxBytes)
  if (received.bytes === 0) throw invalidFormat('The file is empty.')
  if (purpose === 'batch') checkBatchFile(filename, received)
  const keptMs = expiryOf(fields) ?? (purpose === 'batch' ? limits.fileMs : null)
  const createdAt = clock.now()
  return {
    id,
    projectId: request.caller.projectId,
    purpose,
    filename,
    bytes: received.bytes,
    blob,
    createdAt,
    expiresAt: keptMs === null ? null : Math.floor(createdAt / 1000) * 1000 + keptMs,
    batchId: null,
  }
}

/** Nobody else stores a file of this project until the transaction ends. @throws 429 when there is no room for it */
async function takeStorage(tx: Queries, { projectId, bytes }: StoredFile, most: number): Promise<void> {
  await holdQuotas(tx, [projectId])
  if ((await storedBytes(tx, projectId)) + bytes > most) throw overQuota('storage_bytes', most, null)
}

/** Audio, for the lines of a batch, is told by its first bytes. Else as at OpenAI: no extension is fine, a wrong one is not; of the contents only the first line is looked at, and only whether it is JSON. */
function checkBatchFile(filename: string, { head, firstLine }: Received): void {
  if (audioKindOf(head) !== null) return
  if (/\.[^.]*$/.test(filename) && !/\.jsonl$/i.test(filename))
    throw new ApiError(400, null, 'Invalid file format for Batch API. Must be .jsonl')
  const text = firstLine
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trim()
  if (text === '') return
  try {
    JSON.parse(text)
  } catch {
    throw invalidFormat('The first line is not valid JSON: a batch file has one JSON object per line (JSONL).')
  }
}

/** `expires_after[anchor]` and `expires_after[seconds]`, as both SDKs send them. */
function expiryOf(fields: ReadonlyMap<string, string>): number | null {
  const anchor = fields.get('expires_after[anchor]')
  const text = fields.get('expires_after[seconds]')
  if (anchor === undefined && text === undefined) return null
  if (anchor === undefined) throw missingParameter('expires_after.anchor')
  if (text === undefined) throw missingParameter('expires_after.seconds')
  if (anchor !== 'created_at') throw invalidValue('expires_after.anchor', anchor.slice(0, 100), ['created_at'])
  if (!/^-?\d{1,15}$/.test(text)) throw invalidType('expires_after.seconds', 'an integer', 'a string')
  const seconds = Number(text)
  if (seconds < 3600) throw belowMinimum('expires_after.seconds', 3600, seconds)
  if (seconds > 2_592_000) throw aboveMaximum('expires_after.seconds', 2_592_000, seconds)
  return seconds * 1000
}
