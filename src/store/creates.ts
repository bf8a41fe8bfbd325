import type { BatchId, KeyId } from '../domain/ids.ts'
import { int, text, type Queries } from './db.ts'
import { holdName } from './tokens.ts'

/** A create that must not make a second batch (contract D8). `mark`: the Idempotency-Key, or the hash of a body whose answer may not have arrived. */
export interface Create {
  readonly keyId: KeyId
  readonly mark: string
  readonly bodyHash: string
  readonly batchId: BatchId
  readonly createdAt: number
  /** Was the answer sent whole? */
  readonly answered: boolean
}

/** Until the transaction ends no other create under this mark looks or inserts. */
export async function holdCreate(tx: Queries, keyId: KeyId, mark: string): Promise<void> {
  await tx.query(holdName, [`create ${keyId} ${mark}`])
}

export async function findCreate(db: Queries, keyId: KeyId, mark: string): Promise<Create | null> {
  const [row] = await db.query(`select * from creates where key_id = $1 and mark = $2`, [keyId, mark])
  if (!row) return null
  return {
    keyId,
    mark,
    bodyHash: text(row, 'body_hash'),
    batchId: text(row, 'batch_id') as BatchId,
    createdAt: int(row, 'created_at'),
    answered: int(row, 'answered') === 1,
  }
}

/** Takes the place of an older one under the same mark: the caller has looked at that first, in the same transaction. */
export async function putCreate(tx: Queries, c: Create): Promise<void> {
  await tx.query(
    `insert into creates (key_id, mark, body_hash, batch_id, created_at, answered) values ($1, $2, $3, $4, $5, $6)
     on conflict (key_id, mark) do update set body_hash = excluded.body_hash, batch_id = excluded.batch_id, created_at = excluded.created_at, answered = excluded.answered`,
    [c.keyId, c.mark, c.bodyHash, c.batchId, c.createdAt, c.answered ? 1 : 0],
  )
}

export async function markAnswered(db: Queries, keyId: KeyId, mark: string, batchId: BatchId): Promise<void> {
  await db.query(`update creates set answered = 1 where key_id = $1 and mark = $2 and batch_id = $3`, [keyId, mark, batchId])
}

export async function pruneCreates(db: Queries, keptMs: number, limit: number): Promise<void> {
  await db.query(
    `delete from creates where (key_id, mark) in (select key_id, mark from creates where created_at < {now} - $1 order by created_at limit $2)`,
    [keptMs, limit],
  )
}
