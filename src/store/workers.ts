import { int, type Queries } from './db.ts'

/** A worker says that it is there. Those that have not for longer than their lease are forgotten. */
export async function noteWorker(db: Queries, owner: string, leaseMs: number): Promise<void> {
  await db.query(
    `insert into workers (owner, lease_until) values ($1, {now} + $2) on conflict (owner) do update set lease_until = excluded.lease_until`,
    [owner, leaseMs],
  )
  await db.query(`delete from workers where lease_until < {now}`)
}

export async function forgetWorker(db: Queries, owner: string): Promise<void> {
  await db.query(`delete from workers where owner = $1`, [owner])
}

export async function countWorkers(db: Queries): Promise<number> {
  const [row] = await db.query(`select count(*) as n from workers where lease_until >= {now}`)
  return row ? int(row, 'n') : 0
}
