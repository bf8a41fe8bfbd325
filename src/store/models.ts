import { int, text, type Db, type Queries } from './db.ts'
import { parameters } from './values.ts'

/** What one backend has told now, in the place of what it told before. */
export function replaceModels(db: Db, backend: string, models: readonly string[], at: number): Promise<void> {
  return db.tx(async (tx) => {
    await tx.query(`delete from models where backend = $1`, [backend])
    for (const model of new Set(models))
      await tx.query(
        `insert into models (backend, model, seen_at) values ($1, $2, $3)
         on conflict (backend, model) do update set seen_at = excluded.seen_at`,
        [backend, JSON.stringify(model), at],
      )
  })
}

/** All models, each once, by name. */
export async function listModels(db: Queries): Promise<{ model: string; seenAt: number }[]> {
  const rows = await db.query(`select model, min(seen_at) as seen_at from models group by model order by model`)
  return rows.map((row) => ({ model: JSON.parse(text(row, 'model')) as string, seenAt: int(row, 'seen_at') }))
}

/** Backends that are no longer in the settings are forgotten. */
export async function forgetBackends(db: Queries, keep: readonly string[]): Promise<void> {
  await db.query(`delete from models where not (backend in (${parameters(keep.length) || `''`}))`, keep)
}
