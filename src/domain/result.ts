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
