/** Two projects: whoever may do all in one tries every route with every id of the other, in every place where an id may stand. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { rights } from '../../src/domain/rights.ts'
import { startListener } from '../support/listener.ts'
import { follow, followToEnd, poll, terminal } from './follow.ts'
import { linesOf, model, newMark } from './lines.ts'
import type { LocalSubject } from './local.ts'
import { isRemote, openLocal, test } from './subject.ts'
import { allBatches, call, create, getContent, post, upload, type Answer, type Door } from './wire.ts'

interface Schema {
  readonly type?: string
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly enum?: readonly string[]
}
interface Described {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}
type Values = Readonly<Record<string, string>>
interface Project {
  readonly door: Door
  /** By what a path asks for: the thing of this project. */
  readonly things: Values
  /** All else that it has ids, names or addresses for. */
  readonly more: Values
  readonly secrets: readonly string[]
}
/** What stands in a call in the place of our own. */
interface Filling {
  readonly at?: Values
  readonly query?: Values
  readonly headers?: Values
  readonly body?: object
}
interface Ask {
  readonly method: string
  readonly path: string
  readonly headers?: Values
  readonly body?: unknown
}

const good = <T>(answer: Answer): T => {
  expect(answer.status, answer.text).toBe(200)
  return answer.json as T
}
const get = async <T>(door: Door, path: string): Promise<T> => good(await call(door, 'GET', path))

/** A project with one of everything, each with its mark, as somebody has it who may do all in it. */
async function settle(subject: LocalSubject, operator: Door, mark: string, url: string): Promise<Project> {
  const project = good<{ id: string }>(await post(operator, '/v1/admin/projects', { name: `${mark}-team` })).id
  const access = [{ project, rights: rights.filter((right) => right !== 'operator') }]
  const { id: keyId, key } = await subject.newKey({ name: `${mark}-key`, access })
  const door = { ...subject, key }
  const spare = good<{ id: string; key: string }>(await post(door, '/v1/admin/keys', { name: `${mark}-spare` }))
  good(await post(operator, '/v1/admin/quotas', { project, kind: 'open_batches', amount: 4321 }))
  const hook = good<{ id: string; secret: string }>(await post(door, '/v1/webhooks', { url: `${url}&of=${mark}` }))
  const { text } = linesOf([mark, '[[400]]'])
  const file = await upload(door, text, { filename: `${mark}.jsonl` })
  const headers = { 'idempotency-key': `${mark}-once` }
  const { id } = await create(door, { input_file_id: file.id, metadata: { mark } }, { headers })
  const batch = await followToEnd(door, id)
  const results = await call(door, 'GET', `/v1/batches/${batch.id}/results`)
  const [bucket] = (await get<{ data: { bucket: string; place: string }[] }>(door, '/v1/admin/buckets')).data
  await writeFile(join(bucket?.place ?? '', `${mark}.jsonl`), text)
  const object = `s3://${bucket?.bucket}/${mark}.jsonl`
  const ofObject = await followToEnd(door, (await create(door, { input_file_id: object })).id)
  const waiting = await upload(door, linesOf([`[[wait ${mark}]]`]).text)
  const running = await create(door, { input_file_id: waiting.id })
  await follow(door, running.id, ({ status }) => status === 'in_progress')
  const event = good<{ id: string }>(await post(door, `/v1/webhooks/${hook.id}/test`, {})).id
  await poll(
    () => get<{ data: { state: string }[] }>(door, `/v1/webhooks/${hook.id}/deliveries`),
    ({ data }) => data.every(({ state }) => state !== 'waiting'),
    'it is told no more',
  )
  await poll(
    () => get<{ disabled_at: number | null }>(door, `/v1/webhooks/${hook.id}`),
    ({ disabled_at: at }) => at !== null,
    'it is turned off',
  )
  const audit = await poll(
    () => get<{ data: { id: string; operation: string }[] }>(door, '/v1/admin/audit'),
    ({ data }) => data[0]?.operation === 'webhooks.test',
    'the last of it is written down',
  )
  return {
    door,
    things: {
      project_id: project,
      batches: batch.id,
      files: file.id,
      webhooks: hook.id,
      event,
      'admin/projects': project,
      'admin/keys': spare.id,
    },
    more: {
      name: `${mark}-team`,
      output: batch.output_file_id ?? '',
      errors: batch.error_file_id ?? '',
      object,
      ofObject: ofObject.id,
      running: running.id,
      keyId,
      cursor: results.headers.get('x-next-after') ?? '',
      once: headers['idempotency-key'],
      entry: audit.data[0]?.id ?? '',
    },
    secrets: [mark, key, spare.key, hook.secret],
  }
}

/** All that a project sees of itself, as one text. */
async function seenOf({ door, things, more }: Project): Promise<string> {
  const lists = ['batches', 'files', 'usage', 'quotas', 'webhooks', `webhooks/${things.webhooks}/deliveries`]
  const admin = ['projects', 'keys', 'buckets', 'quotas', 'audit'].map((list) => `admin/${list}`)
  const seen: unknown[] = []
  for (const path of [...lists, ...admin]) seen.push(await get(door, `/v1/${path}`))
  for (const id of [things.files, more.output, more.errors, more.object]) seen.push(await getContent(door, id ?? ''))
  return JSON.stringify(seen, (name, value: unknown) => (name === 'last_used_at' ? undefined : value), 1)
}

/** An id of the same form that nobody has: of those that sort by time, one of the same moment. */
const noOnes = (id: string): string => (id.startsWith('s3://') ? id.replace(/.(?=\/[^/]+$)/, flip) : id.replace(/.$/, flip))
const flip = (last: string): string => (last === '0' ? '1' : '0')

/** What paths ask for and is no project's. */
const everyones: Values = { models: model, kind: 'completions' }

/** Good values for what an operation asks for, beside the one that is tried. */
const usual = ({ things }: Project): Readonly<Record<string, unknown>> => ({
  input_file_id: things.files,
  endpoint: '/v1/chat/completions',
  completion_window: '24h',
  name: 'n',
  url: 'https://example.com/',
  kind: 'open_batches',
  amount: 1,
  start_time: '1',
  group_by: 'api_key_id',
})

/** The least that the schema takes with this text in it. */
function filled(schema: Schema, text: string): unknown {
  const [first] = schema.anyOf?.filter(({ type }) => type !== 'null') ?? []
  if (first) return filled(first, text)
  if (schema.type === 'array') return [filled(schema.items ?? {}, text)]
  if (schema.type !== 'object') return text
  const { properties = {} } = schema
  if (Object.keys(properties).length === 0) return { text }
  return Object.fromEntries((schema.required ?? []).map((name) => [name, filled(properties[name] ?? {}, text)]))
}

/** Every call of an operation that has something of theirs in it, in each place that may hold an id; all else in it is good, and our own. */
function waysTo(
  path: string,
  method: string,
  { parameters = [], requestBody }: Described,
  own: Project,
  theirs: Project,
): readonly Ask[] {
  const schema = requestBody?.content['application/json']?.schema
  const { properties = {}, required = [] } = schema?.anyOf?.find(({ type }) => type === 'object') ?? schema ?? {}
  const namesIn = (place: string) => parameters.filter((one) => one.in === place).map(({ name }) => name)
  const [inPath, inQuery] = [namesIn('path'), namesIn('query')]
  const kindOf = (name: string) => (name === 'id' ? (/v1\/(.+?)\/\{id\}/.exec(path)?.[1] ?? '') : name)
  const thingOf = ({ things }: Project, name: string) => things[kindOf(name)] ?? everyones[kindOf(name)] ?? ''
  const allOf = (project: Project): Values => Object.fromEntries(inPath.map((name) => [name, thingOf(project, name)]))
  expect(Object.values(allOf(own)), `${method} ${path}: one of each in its path`).not.toContain('')
  expect(Object.keys(usual(own)), `${method} ${path}: a good value for what it needs`).toEqual(
    expect.arrayContaining([...required]),
  )
  const usualOf = (names: readonly string[]) =>
    Object.fromEntries(Object.entries(usual(own)).filter(([name]) => names.includes(name)))

  const ask = ({ at = {}, query = {}, headers = {}, body = {} }: Filling): Ask => {
    const filledIn = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(at[name] ?? thingOf(own, name)))
    const search = new URLSearchParams({ ...(usualOf(inQuery) as Values), ...query })
    return {
      method: method.toUpperCase(),
      path: `${filledIn}?${String(search)}`,
      headers,
      ...(schema && { body: { ...usualOf(required), ...body } }),
    }
  }
  const ourPath = inPath.includes('project_id') ? { ...allOf(theirs), project_id: thingOf(own, 'project_id') } : {} // NOTE: the path counts
  const queries = [{}, ...(inQuery.includes('dry_run') ? [{ dry_run: 'true' }] : [])]
  return [
    ask({ at: allOf(theirs) }),
    ...[theirs.things.project_id, theirs.more.name].flatMap((project = '') =>
      [allOf(theirs), ourPath].map((at) => ask({ at, headers: { 'openai-project': project } })),
    ),
    ...(method === 'post' ? [ask({ headers: { 'idempotency-key': theirs.more.once ?? '' } })] : []),
    ...idsOf(theirs).flatMap((id) => [
      ...inPath.map((name) => ask({ at: { [name]: id } })),
      ...inQuery.map((name) => ask({ query: { [name]: id } })),
      ...Object.entries(properties).flatMap(([name, one]) =>
        queries.map((query) => ask({ query, body: { [name]: filled(one, id) } })),
      ),
    ]),
  ]
}

const idsOf = ({ things, more }: Project): readonly string[] => [...new Set([...Object.values(more), ...Object.values(things)])]

async function eachOf<T>(all: readonly T[], atOnce: number, act: (one: T) => Promise<void>): Promise<void> {
  const left = all.values()
  const work = async () => {
    for (const one of left) await act(one)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

/** Everywhere in it, however it is written. */
const replaced = (text: string, ids: readonly string[], by: (id: string) => string): string =>
  ids.reduce((said, id) => said.replaceAll(encodeURIComponent(id), encodeURIComponent(by(id))).replaceAll(id, by(id)), text)

test.skipIf(isRemote)(
  '186: no route gives or changes anything of another project, wherever one of its ids may stand',
  async () => {
    await using listener = await startListener()
    listener.answer(410)
    await using subject = await openLocal({ fetchAllow: '127.0.0.1', fetchPorts: `443,${listener.port}` })
    const operator = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
    const own = await settle(subject, operator, newMark(), listener.url)
    const theirs = await settle(subject, operator, newMark(), listener.url)
    const ids = idsOf(theirs)
    const before = await seenOf(theirs)
    const { cursor, once } = theirs.more
    const hidden = ids.filter((id) => !before.includes(id))
    expect(hidden, 'it sees all others itself').toEqual([cursor, once])

    const { paths } = await get<{ paths: Record<string, Record<string, Described>> }>(subject, '/openapi.json')
    const asks = Object.entries(paths)
      .filter(([path]) => path.includes('/v1/'))
      .flatMap(([path, methods]) => Object.entries(methods).flatMap(([method, is]) => waysTo(path, method, is, own, theirs)))
    const tell = ({ method, path, headers = {}, body }: Ask) =>
      call(own.door, method, path, { headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
    const leaks: string[] = []
    const tryOne = async (ask: Ask): Promise<void> => {
      const sent = JSON.stringify(ask)
      const [answer, none] = await Promise.all([tell(ask), tell(JSON.parse(replaced(sent, ids, noOnes)) as Ask)])
      const isSent = (id: string) => sent.includes(id) || sent.includes(encodeURIComponent(id))
      const said = replaced(answer.text, ids.filter(isSent), () => '...')
      const saidOfNone = replaced(none.text, ids.map(noOnes), () => '...')
      const leak = answer.status < 400 && [...ids, ...theirs.secrets].find((one) => said.includes(one))
      if (leak || answer.status !== none.status || (answer.status >= 400 && said !== saidOfNone))
        leaks.push(`${sent}: ${answer.status} ${said}, and of none ${none.status} ${saidOfNone}`)
    }
    // NOTE: in this order, since the audit lists what we were refused, by the ids that we sent, and other lists what we write ourselves
    const turnOf = ({ method, path }: Ask) => (path.includes('/admin/audit') ? 0 : method === 'GET' ? 1 : 2)
    for (const turn of [0, 1, 2])
      await eachOf(
        asks.filter((ask) => turnOf(ask) === turn),
        2,
        tryOne,
      ) // NOTE: a server makes four dry runs at once
    expect(leaks).toEqual([])
    expect(asks.length, 'they are many').toBeGreaterThan(3000)

    const made = await poll(
      () => allBatches(own.door),
      (all) => all.every(({ id, status }) => terminal.includes(status) || id === own.more.running),
      'what was made of them ends',
      60_000,
    )
    const ofTheirs = (as: (id: string) => string) =>
      ids.flatMap((id) =>
        made
          .filter((one) => one.input_file_id === as(id))
          .map(({ status, errors }) => [status, replaced(JSON.stringify(errors), [as(id)], () => '...')]),
      )
    expect(ofTheirs((id) => id)).toEqual(ofTheirs(noOnes))
    expect(new Set(ofTheirs((id) => id).map(([status]) => status))).toEqual(new Set(['failed']))
    expect(await seenOf(theirs), 'it is as it was').toEqual(before)
  },
  240_000,
)
