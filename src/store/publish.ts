import type { Batch, BatchStatus } from '../domain/batch.ts'
import type { Sums } from '../domain/usage.ts'
import { int, text, type Queries } from './db.ts'
import { tellEnds } from './deliveries.ts'
import { insertFiles, type StoredFile } from './files.ts'
import { sameName, type OutputName } from './outputs.ts'
import { sumColumns, sumValues } from './sums.ts'
import { endUploads, resultsLapsed, walkOwner } from './uploads.ts'
import { addUsage } from './usage.ts'
import { parameters, rowsOfValues } from './values.ts'

/** The database's time, but never before what was stamped last: one reading for all columns of a statement. */
const stamp = `case when clock.now > v.column7 then clock.now else v.column7 end`
const endings = ['completed', 'expired', 'cancelled'] as const

export type Terminal = Extract<BatchStatus, (typeof endings)[number]>

/** What appears in one moment: the ending, the names of the results, counts and usage. */
export interface Publication {
  readonly ending: Terminal
  readonly outputFileId: string | null
  readonly errorFileId: string | null
  readonly sums: Sums
  readonly files: readonly StoredFile[]
  readonly objects: readonly OutputName[]
  /** When the objects are to be deleted; null: never. */
  readonly objectsExpireAt: number | null
  /** Where each shard's results lie in the two files (domain/layout.ts); null: nothing ran. */
  readonly layout: string | null
}

export interface Publish {
  /** As the composer saw it. */
  readonly batch: Batch
  readonly fence: number
  readonly what: Publication
}

/**
 * The whole of publishing (I7), for batches that are ready at the same time: one transaction, for each conditional on its walk's fence and on the status that
 * the composer saw. False: the fence is old, or a cancel came while it composed; then nothing of it has changed and the walk decides anew. @throws when the
 * janitor has taken a result file, whose announcement had lapsed: nothing has changed, and it is composed anew. `finalizing_at` is stamped where the batch was
 * not cancelled (D19).
 */
export async function publishBatches(tx: Queries, publishes: readonly Publish[]): Promise<boolean[]> {
  const fixed = 8
  const width = fixed + sumColumns.length
  const integers = [1, 6, ...sumColumns.map((_, i) => fixed + i)]
  const rows = await tx.query(
    `update batches set status = v.column4, output_file_id = v.column5, error_file_id = v.column6,
       finalizing_at = case when status = 'in_progress' then ${stamp} else finalizing_at end,
       ${endings.map((e) => `${e}_at = case when v.column4 = '${e}' then ${stamp} else ${e}_at end`).join(', ')}, sweep_at = ${stamp},
       owner = null, lease_until = 0, trouble = null, trouble_since = null, layout = v.column8,
       ${sumColumns.map((c, i) => `${c} = v.column${fixed + i + 1}`).join(', ')}
     from (values ${rowsOfValues(publishes.length, width, integers)}) v, (select {now} as now) clock
     where id = v.column1 and fence = v.column2 and status = v.column3 returning id, fence`,
    publishes.flatMap(({ batch, fence, what }) => [
      batch.id,
      fence,
      batch.status,
      what.ending,
      what.outputFileId,
      what.errorFileId,
      Math.max(batch.createdAt, batch.inProgressAt ?? 0, batch.cancellingAt ?? 0),
      what.layout,
      ...sumValues(what.sums),
    ]),
  )
  const published = new Set(rows.map((row) => `${text(row, 'id')}/${int(row, 'fence')}`))
  const isPublished = ({ batch, fence }: Publish) => published.has(walkOwner(batch.id, fence))
  const done = publishes.filter(isPublished)
  const ended = done.map(({ batch }) => batch.id)
  await addUsage(tx, ended)
  await tellEnds(tx, ended)
  await nameFiles(tx, done)
  await nameObjects(tx, done)
  return publishes.map(isPublished)
}

async function nameFiles(tx: Queries, publishes: readonly Publish[]): Promise<void> {
  const files = publishes.flatMap(({ batch, fence, what }) =>
    what.files.map((file) => ({ file, owner: walkOwner(batch.id, fence) })),
  )
  if (files.length === 0) return
  await insertFiles(
    tx,
    files.map(({ file }) => file),
  )
  const ended = await endUploads(
    tx,
    files.map(({ file, owner }) => ({ blob: file.blob, owner })),
  )
  if (ended < files.length) throw resultsLapsed()
}

/** Names that were reserved and are not used are free again. */
async function nameObjects(tx: Queries, publishes: readonly Publish[]): Promise<void> {
  if (publishes.length === 0) return
  const reserved = await tx.query(
    `select store, bucket, key, kind, batch_id from outputs where batch_id in (${parameters(publishes.length)})`,
    publishes.map(({ batch }) => batch.id),
  )
  for (const row of reserved) {
    const what = publishes.find(({ batch }) => batch.id === row.batch_id)?.what
    const name = {
      store: text(row, 'store'),
      bucket: text(row, 'bucket'),
      key: JSON.parse(text(row, 'key')) as string,
      kind: row.kind as OutputName['kind'],
    }
    const where = `store = $1 and bucket = $2 and key = $3`
    const values = [name.store, name.bucket, JSON.stringify(name.key)]
    if (what?.objects.some((o) => sameName(o, name)))
      await tx.query(`update outputs set published_at = {now}, expires_at = $4 where ${where}`, [...values, what.objectsExpireAt])
    else await tx.query(`delete from outputs where ${where}`, values)
  }
}
