import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { addKey, addProject, checkGrants, openStore, showBuckets, showKeys, showProjects, withdrawKey } from '../app.ts'
import type { Settings } from '../config.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { table, when, type Terminal } from './terminal.ts'

/** The operator's commands work on the database of the data folder, beside a running server. */
async function inStore<T>(
  settings: Settings,
  work: (db: Awaited<ReturnType<typeof openStore>>) => Promise<T>,
  mayMake = false,
): Promise<T> {
  if (!mayMake && settings.database === '' && !existsSync(resolve(settings.data)))
    throw new Failure(
      `There is no data folder ${resolve(settings.data)}: give the one of your server with --data, or start "nightshift serve", which makes it.`,
      exit.usage,
    )
  const db = await openStore(settings)
  try {
    return await work(db)
  } finally {
    await db[Symbol.asyncDispose]()
  }
}

const show = (t: Terminal, rows: readonly (readonly string[])[], data: unknown): Exit => {
  t.out(t.json ? `${JSON.stringify(data, null, 2)}\n` : table(rows))
  return exit.done
}

export const listProjects = (t: Terminal, s: Settings): Promise<Exit> =>
  inStore(s, async (db) => {
    const found = await showProjects(db)
    return show(
      t,
      [
        ['ID', 'NAME', 'CREATED'],
        ...found.map((p) => [p.id, p.name + (p.isDefault ? ' (default)' : ''), when(p.createdAt / 1000)]),
      ],
      found,
    )
  })

export const createProject = (t: Terminal, s: Settings, name: string): Promise<Exit> =>
  inStore(
    s,
    async (db) => {
      const made = await addProject(db, resolve(s.data), name)
      if (!made) throw new Failure(`There is a project '${name}' already.`)
      return show(
        t,
        [
          ['ID', 'NAME', 'BUCKET'],
          [made.id, made.name, made.isDefault ? 'default' : made.id],
        ],
        made,
      )
    },
    true,
  )

export const listKeys = (t: Terminal, s: Settings, project: string | undefined): Promise<Exit> =>
  inStore(s, async (db) => {
    const found = await showKeys(db, project)
    if (!found) throw new Failure(`There is no project '${project}'.`)
    return show(
      t,
      [
        ['ID', 'PROJECT', 'NAME', 'KEY', 'CREATED', 'REVOKED'],
        ...found.map((k) => [
          k.id,
          k.projectId,
          k.name,
          `${k.hint}...`,
          when(k.createdAt / 1000),
          k.revokedAt === null ? '' : when(k.revokedAt / 1000),
        ]),
      ],
      found,
    )
  })

export const createKeyOf = (t: Terminal, s: Settings, project: string, name: string): Promise<Exit> =>
  inStore(s, async (db) => {
    const made = await addKey(db, project, name, randomBytes)
    if (!made) throw new Failure(`There is no project '${project}'. Create it with: nightshift projects create ${project}`)
    if (!t.json) t.err('The key is shown this once:\n')
    return show(t, [[made.secret]], { ...made.key, key: made.secret })
  })

export const revokeKey = (t: Terminal, s: Settings, id: string): Promise<Exit> =>
  inStore(s, async (db) => {
    if (!(await withdrawKey(db, id))) throw new Failure(`There is no key '${id}', or it was revoked before.`)
    return show(t, [[`revoked ${id}`]], { id, revoked: true })
  })

export const listBuckets = (t: Terminal, s: Settings): Promise<Exit> =>
  inStore(s, async (db) => {
    const found = await showBuckets(db)
    return show(
      t,
      [
        ['BUCKET', 'PROJECT', 'PLACE', 'FROM'],
        ...found.map((g) => [g.bucket, g.projectId, g.place.kind === 'folder' ? g.place.folder : g.place.endpoint, g.source]),
      ],
      found.map(({ bucket, projectId, place, source }) => ({
        bucket,
        projectId,
        source,
        place: place.kind === 'folder' ? place.folder : place.endpoint,
      })),
    )
  })

/** Tries what a grant says: writes an object beside nothing, publishes, reads and deletes it. */
export const checkBucket = (t: Terminal, s: Settings, bucket: string): Promise<Exit> =>
  inStore(s, async (db) => {
    const found = await checkGrants(db, bucket)
    if (found.length === 0) throw new Failure(`No grant answers to '${bucket}'. Those that there are: nightshift buckets list`)
    const steps = found.flatMap(({ grant, checked }) => checked.map((step) => ({ project: grant.projectId, ...step })))
    const word = (ok: boolean | null) => (ok === null ? '-' : ok ? 'ok' : 'WRONG')
    show(t, [['PROJECT', 'WHAT', '', ''], ...steps.map(({ project, what, ok, says }) => [project, what, word(ok), says])], steps)
    return steps.some(({ ok }) => ok === false) ? exit.failed : exit.done
  })
