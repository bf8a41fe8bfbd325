import { int, type Queries } from './db.ts'

/** Milliseconds a token took, over the last batches of a model that were run to their end, whoever's they were; null: there is none. */
export async function paceOf(db: Queries, model: string): Promise<number | null> {
  const [row] = await db.query(
    `select coalesce(sum(total_tokens), 0) as tokens, coalesce(sum(completed_at - in_progress_at), 0) as ms
     from (select model, status, total_tokens, completed_at, in_progress_at from batches order by id desc limit 1000) newest
     where model = $1 and status = 'completed' and total_tokens > 0`,
    [JSON.stringify(model)],
  )
  const [tokens, ms] = row ? [int(row, 'tokens'), int(row, 'ms')] : [0, 0]
  return tokens === 0 ? null : ms / tokens
}
