import { batchAfter, type BatchStatus } from '../../src/domain/batch.ts'
import { overlap, parseRanges, type Range } from '../../src/domain/shard.ts'
import type { Queries, Row, Value } from '../../src/store/db.ts'
import { sumColumns } from '../../src/store/sums.ts'
import { stamps } from '../support/stamps.ts'
import type { Ledger } from './ledger.ts'
import type { BlobStore } from './sim-blobs.ts'
import { rowsIn, type Done } from './statement.ts'

/** What each commit must leave true, looked at within its transaction. */
export interface RowChecks {
  inspect(tx: Queries, done: readonly Done[]): Promise<void>
  /** The last look, when everything is over. */
  last(tx: Queries): Promise<void>
  /** A blob is about to go: nothing that can still count may need it. */
  deleting(tx: Queries, store: string, name: string): Promise<void>
}

export interface RowCheckParts {
  readonly ledger: Ledger
  readonly now: () => number
  readonly files: BlobStore
  readonly scratch: BlobStore
}

const ended = new Set(['completed', 'failed', 'expired', 'cancelled'])

export function makeRowChecks({ ledger, now, files, scratch }: RowCheckParts): RowChecks {
  const seen = new Map<string, Row>()

  /** I2, I3, I5 of the shard that a checkpoint was added to. */
  async function checkpoint(tx: Queries, values: readonly Value[]): Promise<void> {
    const [batch, number, fence, , blob, body, outputBytes, errorBytes] = values
    const where = `batch_id = $1 and number = $2`
    const [shard] = await tx.query(`select * from shards where ${where}`, [batch!, number!])
    const what = `shard ${number} of ${batch}`
    const [its] = await tx.query(`select status from batches where id = $1`, [batch!])
    if (ended.has(String(its?.status))) ledger.wrong('I7', `${what}: a checkpoint after its batch has ended`)
    if (!shard) return ledger.wrong('I2', `${what}: a checkpoint without a shard`)
    if (shard.fence !== fence) ledger.wrong('I2', `${what}: a checkpoint under fence ${fence}, which is ${shard.fence} now`)
    const bytes = body === null ? scratch.blobs.get(String(blob))?.bytes.length : Buffer.from(String(body), 'base64').length
    if (bytes !== Number(outputBytes) + Number(errorBytes))
      ledger.wrong(
        'I3',
        `${what}: its checkpoint names ${blob} of ${Number(outputBytes) + Number(errorBytes)} bytes, there are ${bytes}`,
      )
    const segments = await tx.query(`select * from segments where batch_id = $1 and shard = $2`, [batch!, number!])
    let lines: Range[] = []
    for (const segment of segments) {
      const its = parseRanges(String(segment.lines))
      if (overlap(lines, its)) ledger.wrong('I5', `${what}: a line is in two checkpoints`)
      lines = [...lines, ...its].toSorted((a, b) => a[0] - b[0])
    }
    for (const column of sumColumns) {
      const sum = segments.reduce((n, s) => n + Number(s[column]), 0)
      if (shard[column] !== sum) ledger.wrong('I5', `${what}: ${column} is ${shard[column]}, its checkpoints come to ${sum}`)
    }
    if (Number(shard.completed) + Number(shard.failed) > Number(shard.lines))
      ledger.wrong('I5', `${what}: more results than lines`)
  }

  /** I6: along the table, each stamp once, none before the one before. */
  async function batches(tx: Queries): Promise<void> {
    for (const row of await tx.query(`select * from batches`)) {
      const id = String(row.id)
      const before = seen.get(id)
      seen.set(id, row)
      if (!before) continue
      const [from, to] = [before.status as BatchStatus, row.status as BatchStatus]
      if (from !== to && !Object.values(batchAfter[from]).includes(to)) ledger.wrong('I6', `batch ${id}: ${from} -> ${to}`)
      for (const stamp of stamps)
        if (before[stamp] !== null && before[stamp] !== row[stamp]) ledger.wrong('I6', `batch ${id}: ${stamp} was stamped twice`)
      if (ended.has(from) && (row.output_file_id !== before.output_file_id || row.completed !== before.completed))
        ledger.wrong('I7', `batch ${id}: it changed after its end`)
      if (from === to) continue
      if (to === 'cancelling' || ended.has(to)) if (!ledger.stoppedAt.has(id)) ledger.stoppedAt.set(id, now())
      if (to === 'in_progress') await planned(tx, row)
      if (ended.has(to)) await published(tx, row)
    }
  }

  /** I3 of a plan. */
  async function planned(tx: Queries, row: Row): Promise<void> {
    const rows = await tx.query(`select body from shards where batch_id = $1`, [String(row.id)])
    const inRows = rows.reduce((n, { body }) => n + Buffer.from(String(body), 'base64').length, 0)
    const bytes = row.plan_blob === null ? inRows : scratch.blobs.get(String(row.plan_blob))?.bytes.length
    if (bytes !== row.plan_bytes) ledger.wrong('I3', `batch ${row.id}: its plan of ${row.plan_bytes} bytes has ${bytes}`)
  }

  /** I3, I6, I7 of what was published. */
  async function published(tx: Queries, row: Row): Promise<void> {
    for (const file of await tx.query(`select * from files where batch_id = $1`, [String(row.id)]))
      if (files.blobs.get(String(file.blob))?.bytes.length !== file.bytes)
        ledger.wrong('I7', `batch ${row.id}: file ${file.id} was published and is not there whole`)
    const times = ['created_at', 'in_progress_at', 'cancelling_at', `${row.status}_at`]
      .map((c) => row[c])
      .filter((at) => at !== null)
    if (times.some((at, i) => i > 0 && Number(at) < Number(times[i - 1])))
      ledger.wrong('I6', `batch ${row.id}: its times run backwards: ${times.join()}`)
  }

  return {
    async inspect(tx, done) {
      ledger.progressAt = now()
      for (const one of done) {
        if (one.sql.startsWith('insert into segments'))
          for (const values of rowsIn(one, 9 + sumColumns.length)) await checkpoint(tx, values)
        if (one.sql.includes(`state = 'closed'`)) ledger.reach(`composing ${String(one.values[0])}`)
      }
      if (done.some(({ sql }) => /insert into batches|update batches\s+set status/.test(sql))) await batches(tx)
    },
    last: batches,
    async deleting(tx, store, name) {
      const open = `b.status in ('validating', 'in_progress', 'cancelling')`
      const rows =
        store === 'files'
          ? await tx.query(`select id from files where blob = $1`, [name])
          : await tx.query(
              `select s.blob from segments s join batches b on b.id = s.batch_id where s.blob = $1 and ${open}
               union all select b.plan_blob from batches b where b.plan_blob = $1 and ${open}`,
              [name],
            )
      if (rows.length > 0) ledger.wrong('I3', `${store}: ${name} is deleted, and a row still points at it`)
    },
  }
}
