import type { BatchId, KeyId } from '../domain/ids.ts'
import { int, text, type Queries, type Row } from './db.ts'
import { rowsOfValues } from './values.ts'

/**
 * A create that must not make a second batch (contract D8). `mark`: that of the Idempotency-Key, which has one create at a time; or that of a body whose answer
 * may not have arrived, followed by the batch (`bodyMark`): equal bodies are different creates, and many of them may go on at once.
 */
export interface Create {
  readonly keyId: KeyId
  readonly mark: string
  readonly bodyHash: string
  readonly batchId: BatchId
  readonly createdAt: number
  /** Was the answer sent whole? */
  readonly answered: boolean
}

export const bodyMark = (body: string, batchId: BatchId): string => `${body}:${batchId}`

const lockOf = (keyId: KeyId, mark: string): string => `create ${keyId} ${mark}`

export type Mark = Pick<Create, 'keyId' | 'mark'>

/** In one order everywhere, each once: so two that hold several wait for each other once. */
const locksOf = (marks: readonly Mark[]): string[] => [...new Set(marks.map(({ keyId, mark }) => lockOf(keyId, mark)))].toSorted()

/** Until the transaction ends no other create under these marks looks or inserts. */
export async function holdCreates(tx: Queries, marks: readonly Mark[]): Promise<void> {
  const locks = locksOf(marks)
  if (locks.length > 0) await tx.query(`select ${locks.map((_, i) => `{lock $${i + 1}} as held${i}`).join(', ')}`, locks)
}

/** Until the transaction ends nobody looks under these marks who holds them; others insert beside. */
export async function shareCreates(tx: Queries, marks: readonly Mark[]): Promise<void> {
  const locks = locksOf(marks)
  if (locks.length > 0) await tx.query(`select ${locks.map((_, i) => `{share $${i + 1}} as shared${i}`).join(', ')}`, locks)
}

export async function findCreates(db: Queries, marks: readonly Mark[]): Promise<Create[]> {
  if (marks.length === 0) return []
  const rows = await db.query(
    `select * from creates where (key_id, mark) in (values ${rowsOfValues(marks.length, 2)})`,
    marks.flatMap(({ keyId, mark }) => [keyId, mark]),
  )
  return rows.map(createOf)
}

/** The newest create with this body whose answer may not have arrived, made after `after`. */
export async function findUnanswered(db: Queries, keyId: KeyId, body: string, after: number): Promise<Create | null> {
  const [row] = await db.query(
    `select * from creates where key_id = $1 and mark > $2 and mark < $3 and answered = 0 and created_at > $4 order by mark desc limit 1`,
    [keyId, `${body}:`, `${body};`, after],
  )
  return row ? createOf(row) : null
}

const createOf = (row: Row): Create => ({
  keyId: text(row, 'key_id') as KeyId,
  mark: text(row, 'mark'),
  bodyHash: text(row, 'body_hash'),
  batchId: text(row, 'batch_id') as BatchId,
  createdAt: int(row, 'created_at'),
  answered: int(row, 'answered') === 1,
})

/** Each takes the place of an older one under the same mark: the caller has looked at that first, in the same transaction. Each mark once. */
export async function putCreates(tx: Queries, creates: readonly Create[]): Promise<void> {
  if (creates.length === 0) return
  await tx.query(
    `insert into creates (key_id, mark, body_hash, batch_id, created_at, answered) values ${rowsOfValues(creates.length, 6)}
     on conflict (key_id, mark) do update set body_hash = excluded.body_hash, batch_id = excluded.batch_id, created_at = excluded.created_at, answered = excluded.answered`,
    creates.flatMap((c) => [c.keyId, c.mark, c.bodyHash, c.batchId, c.createdAt, c.answered ? 1 : 0]),
  )
}

export async function markAnswered(db: Queries, keyId: KeyId, mark: string): Promise<void> {
  await db.query(`update creates set answered = 1 where key_id = $1 and mark = $2`, [keyId, mark])
}

export async function pruneCreates(db: Queries, keptMs: number, limit: number): Promise<void> {
  await db.query(
    `delete from creates where (key_id, mark) in (select key_id, mark from creates where created_at < {now} - $1 order by created_at limit $2)`,
    [keptMs, limit],
  )
}
