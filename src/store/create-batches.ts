import type { Batch } from '../domain/batch.ts'
import type { BatchId, ProjectId } from '../domain/ids.ts'
import { insertBatches, type NewBatch } from './batches.ts'
import { bodyMark, findCreates, findUnanswered, holdCreates, putCreates, shareCreates, type Create } from './creates.ts'
import type { Queries } from './db.ts'
import { countOpen, holdQuotas } from './quotas.ts'

/** A batch that is to be made once, however often it is asked for (contract D8). */
export interface CreateAsk {
  readonly batch: NewBatch
  /** Of what it is made of. */
  readonly bodyHash: string
  /** The mark of its Idempotency-Key, if it has one; else that of its body counts. */
  readonly byKey: string | null
  readonly byBody: string
  /** Has it been sent before? Its first answer may not have arrived. */
  readonly isRepeat: boolean
  /** How many batches its project may have that have not ended; null: as many as it likes. */
  readonly openAtMost: number | null
}

export type CreateAnswer =
  | { readonly kind: 'made'; readonly batch: Batch }
  | { readonly kind: 'known'; readonly id: BatchId }
  /** Its key is that of another batch. */
  | { readonly kind: 'mismatch' }
  /** Its project has as many batches open as it may. */
  | { readonly kind: 'full' }

/** How long a key, and a body whose answer may not have arrived, stand for the batch that they made. */
const keyMs = 24 * 3_600_000
const bodyMs = 600_000

/** Looking and inserting are one transaction, and hold the marks: two at once, here or elsewhere, make one batch. */
export async function createBatches(tx: Queries, asks: readonly CreateAsk[]): Promise<CreateAnswer[]> {
  const marksOf = (some: readonly CreateAsk[]) =>
    some.map(({ batch, byKey, byBody }) => ({ keyId: batch.keyId, mark: byKey ?? byBody }))
  const plain = (ask: CreateAsk) => ask.byKey === null && !ask.isRepeat
  const keyed = asks.filter(({ byKey }) => byKey !== null)
  await holdCreates(tx, marksOf(asks.filter((ask) => !plain(ask))))
  await shareCreates(tx, marksOf(asks.filter(plain)))
  const known = new Map((await findCreates(tx, marksOf(keyed))).map((create) => [`${create.keyId} ${create.mark}`, create]))
  const open = await openBatches(tx, asks)
  const making: Create[] = []
  const answers: (CreateAnswer | NewBatch)[] = []

  async function earlier({ batch, byKey, byBody, isRepeat }: CreateAsk): Promise<Create | null> {
    const { keyId, createdAt } = batch
    if (byKey !== null) {
      const same = known.get(`${keyId} ${byKey}`)
      return same && createdAt - same.createdAt < keyMs ? same : null
    }
    if (!isRepeat) return null
    const beside = making.find((create) => create.keyId === keyId && create.mark.startsWith(`${byBody}:`))
    return beside ?? findUnanswered(tx, keyId, byBody, createdAt - bodyMs)
  }

  for (const ask of asks) {
    const { batch, bodyHash, byKey, byBody } = ask
    const same = await earlier(ask)
    if (same) {
      answers.push(byKey !== null && same.bodyHash !== bodyHash ? { kind: 'mismatch' } : { kind: 'known', id: same.batchId })
      continue
    }
    const alreadyOpen = open.get(batch.projectId) ?? 0
    if (ask.openAtMost !== null && alreadyOpen >= ask.openAtMost) {
      answers.push({ kind: 'full' })
      continue
    }
    open.set(batch.projectId, alreadyOpen + 1)
    const mark = byKey ?? bodyMark(byBody, batch.id)
    const create = { keyId: batch.keyId, mark, bodyHash, batchId: batch.id, createdAt: batch.createdAt, answered: false }
    known.set(`${batch.keyId} ${mark}`, create)
    making.push(create)
    answers.push(batch)
  }
  const made = new Map(
    (
      await insertBatches(
        tx,
        answers.filter((a) => 'projectId' in a),
      )
    ).map((batch) => [batch.id, batch]),
  )
  await putCreates(tx, making)
  return answers.map((answer) => {
    if ('kind' in answer) return answer
    const batch = made.get(answer.id)
    if (!batch) throw new Error('an insertion without a row')
    return { kind: 'made', batch }
  })
}

/** Of projects with a bound: nobody else makes a batch of theirs until this transaction ends. */
async function openBatches(tx: Queries, asks: readonly CreateAsk[]): Promise<Map<ProjectId, number>> {
  const bounded = asks.filter(({ openAtMost }) => openAtMost !== null).map(({ batch }) => batch.projectId)
  await holdQuotas(tx, bounded)
  return countOpen(tx, [...new Set(bounded)])
}
