import type { ApiError } from './errors.ts'
import { noSuchBatch, noSuchFile } from './errors.ts'

declare const is: unique symbol
export type BatchId = string & { readonly [is]: 'batch' }
export type FileId = string & { readonly [is]: 'file' }
export type ProjectId = string & { readonly [is]: 'project' }
export type KeyId = string & { readonly [is]: 'key' }

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const file = /^file-[A-Za-z0-9]{24}$/

export const isUuid = (text: string): boolean => uuid.test(text)
export const isFileId = (text: string): text is FileId => file.test(text)

/** @throws {ApiError} 404, the same as for a batch that does not exist. */
export function parseBatchId(text: string): BatchId {
  if (!uuid.test(text)) throw noSuchBatch(text) satisfies ApiError
  return text as BatchId
}

/** @throws {ApiError} 404, the same as for a file that does not exist. */
export function parseFileId(text: string): FileId {
  if (!isFileId(text)) throw noSuchFile(text) satisfies ApiError
  return text
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')

/** Makes version 7 UUIDs (RFC 9562, 5.7) that sort by the order in which they were made: within a millisecond, and when the clock goes back, the 12 bits after the time count up. */
export function makeUuids(now: () => number, randomBytes: (n: number) => Uint8Array): () => string {
  let lastMs = 0
  let count = 0
  return () => {
    const ms = now()
    if (ms > lastMs) [lastMs, count] = [ms, (randomBytes(1)[0] ?? 0) & 0x7f]
    else if (++count > 0xfff) [lastMs, count] = [lastMs + 1, 0]
    const random = randomBytes(8)
    random[0] = 0x80 | ((random[0] ?? 0) & 0x3f)
    const text = lastMs.toString(16).padStart(12, '0') + (0x7000 | count).toString(16) + hex(random)
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
  }
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** `n` characters of [A-Za-z0-9], without bias. */
export function randomName(n: number, randomBytes: (n: number) => Uint8Array): string {
  let text = ''
  while (text.length < n) for (const byte of randomBytes(n)) if (byte < 248 && text.length < n) text += letters[byte % 62]
  return text
}

export const makeFileId = (randomBytes: (n: number) => Uint8Array): FileId => `file-${randomName(24, randomBytes)}` as FileId
