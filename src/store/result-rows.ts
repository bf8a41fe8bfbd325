/** What a reader of results asks of the rows. Each statement is bounded by what it asks for, however many shards the batch has. */
import type { BatchStatus } from '../domain/batch.ts'
import type { BatchId, ProjectId } from '../domain/ids.ts'
import { formatLayout, parseLayout, type ShardSizes } from '../domain/layout.ts'
import { openAtMost, type Seen } from '../domain/result-cursor.ts'
import type { ShardResults, Span } from '../domain/result-page.ts'
import { int, text, textOrNull, type Queries, type Row } from './db.ts'
import { bodyOf } from './shards.ts'

/** How a batch stands, without its sums, which take a look at every shard. */
export interface Standing {
  readonly status: BatchStatus
  readonly outputFileId: string | null
  readonly errorFileId: string | null
}

export async function findStanding(db: Queries, projectId: ProjectId, id: BatchId): Promise<Standing | null> {
  const [row] = await db.query(`select status, output_file_id, error_file_id from batches where project_id = $1 and id = $2`, [
    projectId,
    id,
  ])
  if (!row) return null
  return {
    status: text(row, 'status') as BatchStatus,
    outputFileId: textOrNull(row, 'output_file_id'),
    errorFileId: textOrNull(row, 'error_file_id'),
  }
}

/** Rows of one look: a shard whose lines are slow may have hundreds of checkpoints. */
const rowsAtOnce = 1000

/** Always as many positions, so that there is one statement; shard -1 is none. */
const positions = Array.from(
  { length: openAtMost },
  (_, i) => `(cast($${i * 3 + 4} as bigint), cast($${i * 3 + 5} as bigint), cast($${i * 3 + 6} as bigint))`,
).join(', ')

/** One statement: a shard's state and its checkpoints are of one moment, whoever finishes it meanwhile. NOTE: an `or`, and no comparison of rows: SQLite would use but its first column. */
const look = `with seen (shard, fence, number) as (values ${positions})
  select s.number as shard, s.state, g.fence, g.number, g.blob, case when g.body is null then 0 else 1 end as in_row, g.output_bytes, g.error_bytes
  from seen join shards s on s.batch_id = $1 and s.number = seen.shard
  left join segments g on g.batch_id = $1 and g.shard = s.number
    and ((g.fence = seen.fence and g.number > seen.number) or g.fence > seen.fence)
  where exists (select 1 from batches b where b.id = $1 and b.project_id = $2)
  order by s.number, g.fence, g.number limit $3`

/** Of these shards, what there is behind what was seen of them, by number; of the last ones perhaps less, or nothing yet. At most `openAtMost` of them. */
export async function lookAtShards(
  db: Queries,
  projectId: ProjectId,
  batchId: BatchId,
  seen: readonly Seen[],
  limit = rowsAtOnce,
): Promise<ShardResults[]> {
  const values = Array.from({ length: openAtMost }, (_, i) => seen[i]).flatMap((one) =>
    one ? [one.shard, one.fence, one.number] : [-1, 0, 0],
  )
  const rows = await db.query(look, [batchId, projectId, limit, ...values])
  const found = new Map<number, { state: string; spans: Span[] }>()
  for (const row of rows) {
    const shard = int(row, 'shard')
    const one = found.get(shard) ?? { state: text(row, 'state'), spans: [] }
    found.set(shard, one)
    if (row.blob !== null) one.spans.push(spanOf(row))
  }
  const last = rows.length === limit ? Number(rows.at(-1)?.shard) : null
  return [...found].map(([shard, { state, spans }]) => ({
    shard,
    spans,
    whole: state === 'done',
    final: (state === 'done' || state === 'closed') && shard !== last,
  }))
}

function spanOf(row: Row): Span {
  const at = { shard: int(row, 'shard'), fence: int(row, 'fence'), number: int(row, 'number') }
  const name = int(row, 'in_row') === 1 ? nameOfRow(at) : text(row, 'blob')
  const output = { name, start: 0, bytes: int(row, 'output_bytes') }
  return {
    fence: int(row, 'fence'),
    number: int(row, 'number'),
    output,
    error: { name, start: output.bytes, bytes: int(row, 'error_bytes') },
  }
}

/** A segment whose bytes lie in its row. */
export interface RowPlace {
  readonly shard: number
  readonly fence: number
  readonly number: number
}
const nameOfRow = ({ shard, fence, number }: RowPlace): string => `row:${shard}/${fence}/${number}`

/** null: it is the name of a blob. */
export function parseRowPlace(name: string): RowPlace | null {
  const [, shard, fence, number] = /^row:(\d+)\/(\d+)\/(\d+)$/.exec(name) ?? []
  if (shard === undefined || fence === undefined || number === undefined) return null
  return { shard: Number(shard), fence: Number(fence), number: Number(number) }
}

/** null: the row has gone. */
export async function loadBody(
  db: Queries,
  projectId: ProjectId,
  id: BatchId,
  { shard, fence, number }: RowPlace,
): Promise<Buffer | null> {
  const [row] = await db.query(
    `select body from segments where batch_id = $1 and shard = $2 and fence = $3 and number = $4
       and exists (select 1 from batches b where b.id = $1 and b.project_id = $5)`,
    [id, shard, fence, number, projectId],
  )
  return row ? bodyOf(row) : null
}

/** The sizes of all shards' results, when none can be added to any more: so many rows at a time. */
export async function layoutOfShards(db: Queries, batchId: BatchId, atOnce = 1000): Promise<string> {
  const sizes: ShardSizes[] = []
  for (let after = -1; ;) {
    const rows = await db.query(
      `select s.number, coalesce(sum(g.output_bytes), 0) as output, coalesce(sum(g.error_bytes), 0) as error
       from shards s left join segments g on g.batch_id = s.batch_id and g.shard = s.number
       where s.batch_id = $1 and s.number > $2 and s.number <= $3 group by s.number order by s.number`,
      [batchId, after, after + atOnce],
    )
    if (rows.length === 0) return formatLayout(sizes)
    for (const row of rows) sizes.push({ output: int(row, 'output'), error: int(row, 'error') })
    after += atOnce
  }
}

/** null: a program of before published it. */
export async function loadLayout(db: Queries, projectId: ProjectId, id: BatchId): Promise<ShardSizes[] | null> {
  const [row] = await db.query(`select layout from batches where project_id = $1 and id = $2`, [projectId, id])
  const layout = row ? textOrNull(row, 'layout') : null
  return layout === null ? null : parseLayout(layout)
}

/** Of the object that was planned; null: it was a file, or a program of before planned it. */
export async function loadInputTag(db: Queries, projectId: ProjectId, id: BatchId): Promise<string | null> {
  const [row] = await db.query(`select input_tag from batches where project_id = $1 and id = $2`, [projectId, id])
  return row ? textOrNull(row, 'input_tag') : null
}
