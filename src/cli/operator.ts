import type { AuditAsk, KeyOrder } from '../client.ts'
import type { KeyView } from '../domain/admin-wire.ts'
import type { ErasureView } from '../domain/erasure.ts'
import { exit, Failure, type Exit } from './failure.ts'
import type { Office } from './office.ts'
import { table, when, type Terminal } from './terminal.ts'

export const show = (t: Terminal, rows: readonly (readonly string[])[], data: unknown): Exit => {
  t.out(t.json ? `${JSON.stringify(data, null, 2)}\n` : table(rows))
  return exit.done
}

export async function listProjects(t: Terminal, office: Office): Promise<Exit> {
  const found = await office.projects()
  const rows = found.map((p) => [p.id, p.name + (p.is_default ? ' (default)' : ''), String(p.weight), when(p.created_at)])
  return show(t, [['ID', 'NAME', 'WEIGHT', 'CREATED'], ...rows], found)
}

export async function createProject(t: Terminal, office: Office, name: string): Promise<Exit> {
  const made = await office.createProject(name)
  const bucket = made.is_default ? 'default' : made.id
  return show(
    t,
    [
      ['ID', 'NAME', 'BUCKET'],
      [made.id, made.name, bucket],
    ],
    { ...made, bucket },
  )
}

export async function renameProject(t: Terminal, office: Office, id: string, name: string): Promise<Exit> {
  const renamed = await office.changeProject(id, { name })
  return show(t, [[`${renamed.id} is now called ${renamed.name}`]], renamed)
}

export async function weighProject(t: Terminal, office: Office, id: string, weight: number): Promise<Exit> {
  const weighed = await office.changeProject(id, { weight })
  return show(t, [[`${weighed.name} has the weight ${weighed.weight}`]], weighed)
}

export async function keepOfProject(t: Terminal, office: Office, id: string, days: number | null): Promise<Exit> {
  const kept = await office.changeProject(id, { keep_days: days })
  const long = days === null ? 'as long as the server does' : `${days} days`
  return show(t, [[`${kept.name} keeps files and ended batches ${long}`]], kept)
}

/** Without `yes` nothing is done, and what would be is said. */
export async function eraseProject(t: Terminal, office: Office, id: string, yes: boolean): Promise<Exit> {
  if (!yes)
    throw new Failure(
      `This deletes the project '${id}' for good: its batches, files, keys, webhooks and usage, its own bucket folder with all in it, and the results that its batches wrote into other buckets. Say that you mean it with --yes.`,
      exit.usage,
    )
  return showErasures(t, await office.eraseProject(id))
}

export const listErasures = async (t: Terminal, office: Office): Promise<Exit> => showErasures(t, await office.erasures())

function showErasures(t: Terminal, found: ErasureView | readonly ErasureView[]): Exit {
  const head = ['PROJECT', 'NAME', 'REQUESTED', 'ERASED', 'CONFIRMED', 'DELETED', 'STILL THERE']
  const rows = [found]
    .flat()
    .map((e) => [
      e.id,
      e.name,
      ...times(e.requested_at, e.erased_at, e.confirmed_at),
      counted(e.deleted),
      counted(e.remaining) || (e.erased_at === null ? 'a worker goes on with it' : ''),
    ])
  return show(t, [head, ...rows], found)
}

/** `12 batches, 1 file`: what is not nothing. */
const counted = (of: Readonly<Record<string, number>>): string =>
  Object.entries(of)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${count === 1 ? singular(name) : name.replace('_', ' ')}`)
    .join(', ')

const singular = (name: string): string =>
  name
    .replace('_', ' ')
    .replace(/batches$/, 'batch')
    .replace(/s$/, '')

const times = (...at: readonly (number | null)[]): string[] => at.map((seconds) => (seconds === null ? '' : when(seconds)))
const rightsIn = ({ operator, access }: KeyView): string =>
  [...(operator ? ['operator'] : []), ...access.map((a) => `${a.project_name}: ${a.rights.join(' ')}`)].join('; ')

export async function listKeys(t: Terminal, office: Office, project: string | undefined): Promise<Exit> {
  const found = await office.keys(project)
  const head = ['ID', 'NAME', 'KEY', 'CREATED', 'EXPIRES', 'LAST USED', 'REVOKED', 'MAY']
  const rows = found.map((k) => [
    k.id,
    k.name,
    k.issuer === null ? `${k.hint}...` : 'token',
    ...times(k.created_at, k.expires_at, k.last_used_at, k.revoked_at),
    rightsIn(k),
  ])
  return show(t, [head, ...rows], found)
}

export async function listAudit(t: Terminal, office: Office, ask: AuditAsk): Promise<Exit> {
  const found = await office.audit(ask)
  const rows = found.map((e) => [
    when(e.at),
    String(e.status),
    e.operation,
    e.target ?? '',
    e.key ?? (e.status < 400 ? 'a command' : 'nobody known'),
    e.project ?? '',
    e.address,
  ])
  return show(t, [['AT', 'STATUS', 'WHAT', 'OF WHAT', 'KEY', 'PROJECT', 'FROM'], ...rows], found)
}

export async function createKey(t: Terminal, office: Office, order: KeyOrder): Promise<Exit> {
  const made = await office.createKey(order)
  if (!t.json) t.err(`${made.id}: the key is shown this once:\n`)
  return show(t, [[made.key]], made)
}

export async function revokeKey(t: Terminal, office: Office, id: string): Promise<Exit> {
  await office.revokeKey(id)
  return show(t, [[`revoked ${id}`]], { id, revoked: true })
}

export async function listBuckets(t: Terminal, office: Office): Promise<Exit> {
  const found = await office.buckets()
  return show(t, [['BUCKET', 'PROJECT', 'PLACE', 'FROM'], ...found.map((g) => [g.bucket, g.project, g.place, g.source])], found)
}
