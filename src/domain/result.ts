import type { BatchId } from './ids.ts'
import type { ResultCode } from './outcome.ts'

/** D16: the same for the same line of the same batch, however often it runs. */
export const resultIdPrefix = (batchId: BatchId): string => `batch_req_${batchId.replaceAll('-', '')}`
export const resultId = (prefix: string, lineNumber: number): string => prefix + lineNumber.toString(16).padStart(8, '0')

const plain = /^[\w.:-]{1,200}$/

/** A result line is `head + custom_id as the user wrote it + middle + body as the backend wrote it + tail`: nothing of the user's or the backend's is rebuilt (D17). */
export const resultHead = (prefix: string, lineNumber: number): string => `{"id":"${resultId(prefix, lineNumber)}","custom_id":`
export const answeredMiddle = (status: number, requestId: string): string =>
  `,"response":{"status_code":${status},"request_id":${plain.test(requestId) ? `"${requestId}"` : JSON.stringify(requestId)},"body":`
export const answeredTail: Uint8Array = Buffer.from('},"error":null}\n')
export const unansweredTail = (code: ResultCode, message: string): string =>
  `,"response":null,"error":{"code":"${code}","message":${JSON.stringify(message)}}}\n`

/** What stands on a line that never ran (contract 5.2). */
export const neverRan: Record<'cancelled' | 'expired', string> = {
  cancelled: unansweredTail('batch_cancelled', 'This request was not executed because the batch was cancelled.'),
  expired: unansweredTail('batch_expired', 'This request could not be executed before the completion window expired.'),
}

/** What is known of a result line by its beginning, however long it is. */
export interface ResultBeginning {
  /** The number of the line in the input. */
  readonly line: number
  /** Where its custom_id stands, quotes included. */
  readonly customIdStart: number
  readonly customIdEnd: number
  /** Of its answer; null: it has none. */
  readonly status: number | null
  /** Why it has none. */
  readonly code: string | null
}

const beginning =
  /^\{"id":"(batch_req_[0-9a-f]{32})([0-9a-f]{8,13})","custom_id":("(?:[^"\\]|\\.)*"),"response":(?:\{"status_code":(\d{3}),|null,"error":\{"code":"(\w+)")/s
/** An id of 512 units takes six bytes a unit if all of it is escaped. */
const beginningBytes = 4096

/** null: not a result line of ours, of the batch with this prefix. */
export function beginningOf(prefix: string, bytes: Buffer, start: number, end: number): ResultBeginning | null {
  const [, id, line, customId, status, code] =
    beginning.exec(bytes.toString('latin1', start, Math.min(end, start + beginningBytes))) ?? []
  if (id !== prefix || line === undefined || customId === undefined) return null
  const customIdStart = start + `{"id":"${id}${line}","custom_id":`.length
  return {
    line: Number.parseInt(line, 16),
    customIdStart,
    customIdEnd: customIdStart + customId.length,
    status: status === undefined ? null : Number(status),
    code: code ?? null,
  }
}
