import type { ProjectId } from '../domain/ids.ts'
import type { Project } from '../domain/project.ts'
import { int, intOrNull, text, type Queries, type Row } from './db.ts'
import { holdName } from './tokens.ts'

export async function insertProject(db: Queries, p: Omit<Project, 'weight' | 'keepMs' | 'erasingAt'>): Promise<void> {
  await db.query(`insert into projects (id, name, is_default, created_at) values ($1, $2, $3, $4)`, [
    p.id,
    p.name,
    p.isDefault ? 1 : 0,
    p.createdAt,
  ])
}

/** Until the transaction ends nobody else makes a project. */
export async function holdProjects(tx: Queries): Promise<void> {
  await tx.query(holdName, ['projects'])
}

export async function findProject(db: Queries, idOrName: string): Promise<Project | null> {
  const [row] = await db.query(
    `select * from projects where id = $1 or name = $1 order by case when id = $1 then 0 else 1 end limit 1`,
    [idOrName],
  )
  return row ? projectOf(row) : null
}

export async function defaultProject(db: Queries): Promise<Project | null> {
  const [row] = await db.query(`select * from projects where is_default = 1`)
  return row ? projectOf(row) : null
}

export async function listProjects(db: Queries): Promise<Project[]> {
  return (await db.query(`select * from projects order by created_at, id`)).map(projectOf)
}

/** What is undefined stays as it is. null: there is no such project. */
export async function updateProject(
  db: Queries,
  id: ProjectId,
  { name, weight, keepMs }: { readonly [K in 'name' | 'weight' | 'keepMs']?: Project[K] | undefined },
): Promise<Project | null> {
  const [row] = await db.query(
    `update projects set name = coalesce($2, name), weight = coalesce($3, weight), keep_ms = case when $4 = 1 then $5 else keep_ms end
     where id = $1 returning *`,
    [id, name ?? null, weight ?? null, keepMs === undefined ? 0 : 1, keepMs ?? null],
  )
  return row ? projectOf(row) : null
}

/** Those that keep what they have for a time of their own. */
export async function keptProjects(db: Queries): Promise<{ readonly projectId: ProjectId; readonly keepMs: number }[]> {
  const rows = await db.query(`select id, keep_ms from projects where keep_ms is not null`)
  return rows.map((row) => ({ projectId: text(row, 'id') as ProjectId, keepMs: int(row, 'keep_ms') }))
}

const projectOf = (row: Row): Project => ({
  id: text(row, 'id') as ProjectId,
  name: text(row, 'name'),
  isDefault: int(row, 'is_default') === 1,
  weight: int(row, 'weight'),
  createdAt: int(row, 'created_at'),
  keepMs: intOrNull(row, 'keep_ms'),
  erasingAt: intOrNull(row, 'erasing_at'),
})
