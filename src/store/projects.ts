import type { ProjectId } from '../domain/ids.ts'
import { int, text, type Queries, type Row } from './db.ts'
import { holdName } from './tokens.ts'

export interface Project {
  readonly id: ProjectId
  readonly name: string
  readonly isDefault: boolean
  /** Its part of what is served, beside other projects. */
  readonly weight: number
  readonly createdAt: number
}

export async function insertProject(db: Queries, p: Omit<Project, 'weight'>): Promise<void> {
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

export async function updateProject(db: Queries, { id, name, weight }: Pick<Project, 'id' | 'name' | 'weight'>): Promise<void> {
  await db.query(`update projects set name = $2, weight = $3 where id = $1`, [id, name, weight])
}

const projectOf = (row: Row): Project => ({
  id: text(row, 'id') as ProjectId,
  name: text(row, 'name'),
  isDefault: int(row, 'is_default') === 1,
  weight: int(row, 'weight'),
  createdAt: int(row, 'created_at'),
})
