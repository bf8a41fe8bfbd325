import { settle, type Settled, type SlotClaim, type SlotUse } from '../domain/slots.ts'
import { int, text, type Db, type Queries } from './db.ts'
import { holdName } from './tokens.ts'

export interface SlotAsk extends SlotUse {
  readonly backend: string
  /** Calls that all workers together may have open. */
  readonly ceiling: number
  /** How long the claim stands if it is not settled again, by the database's clock. */
  readonly leaseMs: number
}

/** Claims slots of a backend by demand, one worker after the other (I9). Claims of workers that are gone lapse. */
export function settleSlots(db: Db, { backend, ceiling, leaseMs, ...use }: SlotAsk): Promise<Settled> {
  return db.tx(async (tx) => {
    await tx.query(holdName, [`slots ${backend}`])
    await tx.query(`delete from slots where backend = $1 and lease_until <= {now}`, [backend])
    const claims = (await tx.query(`select owner, granted, wanted from slots where backend = $1`, [backend])).map(
      (row): SlotClaim => ({ owner: text(row, 'owner'), granted: int(row, 'granted'), wanted: int(row, 'wanted') }),
    )
    const others = claims.filter(({ owner }) => owner !== use.owner)
    const lapsed = others.length === claims.length
    const settled = settle(ceiling, lapsed ? { ...use, cap: 0 } : use, others)
    if (settled.granted === 0 && use.wanted === 0)
      await tx.query(`delete from slots where backend = $1 and owner = $2`, [backend, use.owner])
    else
      await tx.query(
        `insert into slots (backend, owner, granted, wanted, lease_until) values ($1, $2, $3, $4, {now} + $5)
         on conflict (backend, owner) do update set granted = excluded.granted, wanted = excluded.wanted, lease_until = excluded.lease_until`,
        [backend, use.owner, settled.granted, use.wanted, leaseMs],
      )
    return settled
  })
}

/** Gives up all of a worker's claims: nothing of it is in flight. */
export async function dropSlots(db: Queries, owner: string): Promise<void> {
  await db.query(`delete from slots where owner = $1`, [owner])
}
