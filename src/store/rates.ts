import type { KeyId } from '../domain/ids.ts'
import { int, type Queries } from './db.ts'

/** Takes `step` microseconds of a key's period, if so much of it is left. `ahead`: by how much what was taken lies ahead of the database's clock. */
export async function takeRate(
  db: Queries,
  { keyId, kind, step, period }: { keyId: KeyId; kind: string; step: number; period: number },
): Promise<{ readonly taken: boolean; readonly ahead: number }> {
  const from = `(case when rates.paid_until > {now} * 1000 then rates.paid_until else {now} * 1000 end)`
  const [row] = await db.query(
    `insert into rates (key_id, kind, paid_until) values ($1, $2, {now} * 1000 + $3)
     on conflict (key_id, kind) do update set paid_until = ${from} + $3 where ${from} + $3 <= {now} * 1000 + $4
     returning paid_until - {now} * 1000 as ahead`,
    [keyId, kind, step, period],
  )
  if (row) return { taken: true, ahead: int(row, 'ahead') }
  const [now] = await db.query(`select paid_until - {now} * 1000 as ahead from rates where key_id = $1 and kind = $2`, [
    keyId,
    kind,
  ])
  return { taken: false, ahead: now ? int(now, 'ahead') : 0 }
}
