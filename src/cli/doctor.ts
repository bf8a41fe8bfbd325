import { existsSync } from 'node:fs'
import { access, constants, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { askBackends, askIssuers } from '../app.ts'
import { checkGrants, oldSecrets, openStore, runningModels, allGrants, troubles, tryFiles, type Store } from '../operating.ts'
import type { Settings } from '../config.ts'
import { exit, type Exit } from './failure.ts'
import type { Terminal } from './terminal.ts'

interface Finding {
  readonly what: string
  readonly ok: boolean
  /** What was seen, and, when it is not right, what to do. */
  readonly says: string
}

const leastFreeBytes = 1e9

/** Looks at everything that a server needs and says what is wrong and what to do. */
export async function doctor(t: Terminal, settings: Settings): Promise<Exit> {
  const { found: backends, models } = await checkBackends(settings)
  const found = [
    { what: 'settings', ok: true, says: 'can be read' },
    ...(await checkFolder(settings)),
    ...(await checkStore(settings, models)),
    ...backends,
    ...(await checkIssuers(settings)),
    checkClock(),
  ]
  if (t.json) t.out(`${JSON.stringify(found, null, 2)}\n`)
  else for (const { what, ok, says } of found) t.out(`${ok ? 'ok   ' : 'WRONG'}  ${what}: ${says}\n`)
  return found.every((f) => f.ok) ? exit.done : exit.failed
}

async function checkFolder({ data }: Settings): Promise<Finding[]> {
  const folder = resolve(data)
  let there = folder
  while (!existsSync(there)) there = dirname(there)
  try {
    await access(there, constants.W_OK)
    if (!(await stat(there)).isDirectory()) throw new Error(`${there} is a file`)
    const { bavail, bsize } = await statfs(there)
    const free = bavail * bsize
    return [
      {
        what: 'data folder',
        ok: free >= leastFreeBytes,
        says: `${folder}${there === folder ? '' : ', which the first start makes'}, ${(free / 1e9).toFixed(1)} GB free${free < leastFreeBytes ? ': make room, results are kept there' : ''}`,
      },
    ]
  } catch (error) {
    return [
      {
        what: 'data folder',
        ok: false,
        says: `${folder} cannot be written (${text(error)}): change its rights, or name another with --data`,
      },
    ]
  }
}

/** `models`: all that the backends have; null: there may be others. */
async function checkStore(settings: Settings, models: readonly string[] | null): Promise<Finding[]> {
  if (settings.database === '' && !existsSync(resolve(settings.data))) return []
  try {
    const db = await openStore(settings)
    try {
      const buckets = await Promise.all(
        (await allGrants(db)).map(async ({ bucket, place }): Promise<Finding> => {
          if (place.kind !== 'folder') return checkS3(db, bucket, place.endpoint)
          const seen = await stat(place.folder).catch(() => null)
          const writable = await access(place.folder, constants.W_OK).then(
            () => true,
            () => false,
          )
          return {
            what: `bucket ${bucket}`,
            ok: seen?.isDirectory() === true && writable,
            says: !seen
              ? `its folder ${place.folder} is not there: make it`
              : writable
                ? place.folder
                : `its folder ${place.folder} cannot be written: change its rights`,
          }
        }),
      )
      const waiting = (await troubles(db)).map((w) => ({
        what: `batch ${w.batchId}`,
        ok: false,
        says: `${w.trouble} (since ${new Date(w.since).toISOString()})`,
      }))
      return [
        { what: 'database', ok: true, says: whereIs(settings) },
        await checkFiles(db, settings),
        ...(await checkSigningKey(db, settings)),
        ...buckets,
        ...waiting,
        ...(models === null ? [] : await checkModels(db, models)),
      ]
    } finally {
      await db[Symbol.asyncDispose]()
    }
  } catch (error) {
    return [{ what: 'database', ok: false, says: text(error) }]
  }
}

/** The place of files and scratch, and whether it is that of this database. */
async function checkFiles(db: Store, settings: Settings): Promise<Finding> {
  const { place, trouble } = await tryFiles(db, settings)
  return { what: 'files', ok: trouble === null, says: trouble ?? place }
}

/** Batches of a model that nobody has wait for it. */
async function checkModels(db: Store, models: readonly string[]): Promise<Finding[]> {
  return (await runningModels(db)).flatMap(({ model, batches }) =>
    models.includes(model)
      ? []
      : [{ what: `model ${model}`, ok: false, says: `no backend has it, and ${batches} of the batches wait for one that does` }],
  )
}

async function checkBackends(settings: Settings): Promise<{ found: Finding[]; models: readonly string[] | null }> {
  if (settings.backends.length === 0)
    return {
      found: [{ what: 'backends', ok: false, says: 'none is set: give one with --backend URL, or in nightshift.yaml' }],
      models: null,
    }
  const asked = await askBackends(settings)
  const found = asked.map(({ url, told }) => ({
    what: `backend ${url}`,
    ok: told.kind === 'models',
    says:
      told.kind === 'models'
        ? `has ${told.models.join(', ') || 'no models'}`
        : `${told.trouble}: check that it runs, its address and its key`,
  }))
  const aliases = settings.backends.flatMap((backend) => Object.keys(backend.aliases ?? {}))
  const models = asked.flatMap(({ told }) => (told.kind === 'models' ? told.models : []))
  return { found, models: asked.every(({ told }) => told.kind === 'models') ? [...models, ...aliases] : null }
}

/** An old signing key that nothing needs any more should go. */
async function checkSigningKey(db: Store, { data }: Settings): Promise<Finding[]> {
  const old = await oldSecrets(db, resolve(data))
  if (old === null) return []
  const says =
    old.length === 0
      ? 'no webhook needs the old one any more: nightshift signing-key retire'
      : `${old.length} webhooks have secrets of the old one: ${old.join(', ')}`
  return [{ what: 'signing key', ok: true, says }]
}

const checkIssuers = async (settings: Settings): Promise<Finding[]> =>
  (await askIssuers(settings)).map(({ url, trouble }) => ({
    what: `issuer ${url}`,
    ok: trouble === null,
    says: trouble ?? 'its keys can be read',
  }))

const checkClock = (): Finding => {
  const year = new Date().getFullYear()
  return {
    what: 'clock',
    ok: year >= 2025,
    says: `${new Date().toISOString()}${year >= 2025 ? '' : ': set it, windows and expiries go by it'}`,
  }
}

async function checkS3(db: Store, bucket: string, endpoint: string): Promise<Finding> {
  const what = `bucket ${bucket}`
  if (bucket.includes('*')) return { what, ok: true, says: `${endpoint}: try one with nightshift buckets check NAME` }
  const wrong = (await checkGrants(db, bucket)).flatMap(({ checked }) => checked.filter(({ ok }) => ok === false))
  return { what, ok: wrong.length === 0, says: wrong[0]?.says ?? endpoint }
}

/** NOTE: without user and password. */
function whereIs({ database, data }: Settings): string {
  if (database === '') return join(resolve(data), 'nightshift.db')
  const { host, pathname } = new URL(database)
  return `PostgreSQL, ${host || 'by socket'}${pathname}`
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))
