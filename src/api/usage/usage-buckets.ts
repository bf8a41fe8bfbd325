import type { FastifyInstance } from 'fastify'
import { dayOf, startOfDay, type Day } from '../../domain/day.ts'
import { invalid, invalidValue, noSuchRoute, unknownParameter } from '../../domain/errors.ts'
import type { ProjectId } from '../../domain/ids.ts'
import { grouped, type UsageKey, type UsageRow } from '../../domain/usage-rows.ts'
import { bucketResultWire, bucketWire, usageKinds } from '../../domain/usage-wire.ts'
import { usageBetween } from '../../store/usage.ts'
import { does } from '../guard/allowed.ts'
import type { ApiParts } from '../parts.ts'
import { parseLimit } from '../query.ts'
import { bucketPage, bucketQuery, kindParams, type BucketQuery } from './usage-schemas.ts'

const names: Readonly<Record<string, UsageKey | null>> = { model: 'model', api_key_id: 'keyId', project_id: null }
const bucketsAtMost = 31
const usualBuckets = 7

/** OpenAI's form of usage (`/v1/organization/usage/{kind}`), in buckets of a day, for the project of the key. */
export function usageBucketRoutes(app: FastifyInstance, parts: ApiParts): void {
  app.get<{ Params: { kind: string }; Querystring: BucketQuery }>(
    '/organization/usage/:kind',
    {
      config: does('usage.read'),
      schema: { summary: "Usage in OpenAI's form", params: kindParams, querystring: bucketQuery, response: { 200: bucketPage } },
    },
    async (request) => {
      const { kind } = request.params
      const { query } = request
      const { projectId } = request.caller
      const counts = Object.hasOwn(usageKinds, kind) ? usageKinds[kind] : undefined
      if (!counts) throw noSuchRoute('GET', request.url.split('?')[0] ?? '')
      if (query.bucket_width !== undefined && query.bucket_width !== '1d')
        throw invalidValue('bucket_width', query.bucket_width, ['1d'])
      const limit = parseLimit(query.limit, { most: bucketsAtMost, otherwise: usualBuckets })
      refuseUnknown(query)
      const isAsked = filterIn(query, projectId)
      const first = dayIn('page', query.page) ?? dayIn('start_time', query.start_time) ?? 0
      const end = dayIn('end_time', query.end_time, -1) ?? dayOf(parts.clock.now())
      const last = Math.min(end, first + limit - 1)
      const groups = groupsIn(query)
      const by = groups.flatMap((name) => names[name] ?? [])
      const rows = (await usageBetween(parts.db, projectId, [first, last])).filter(
        (row) => row.endpoint !== null && counts(row.endpoint) && isAsked(row),
      )
      const buckets = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i).map((day) => {
        const ofDay = grouped(
          rows.filter((row) => row.day === day),
          by,
        )
        const project = groups.includes('project_id') ? projectId : null
        return bucketWire(
          day,
          ofDay.map(({ row }) => bucketResultWire(kind, project, row)),
        )
      })
      const hasMore = last < end
      return { object: 'page', data: buckets, has_more: hasMore, next_page: hasMore ? String(startOfDay(last + 1) / 1000) : null }
    },
  )
}

/** The day of a time in seconds. `off`: milliseconds before it, for an end that is not included. */
function dayIn(name: string, text: string | undefined, off = 0): Day | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,11}$/.test(text)) throw invalidValue(name, text, ['seconds since 1970'])
  return dayOf(Number(text) * 1000 + off)
}

function groupsIn(query: BucketQuery): readonly string[] {
  const asked = listIn(query, 'group_by')?.flatMap((text) => text.split(',')) ?? []
  const unknown = asked.find((name) => !Object.hasOwn(names, name))
  if (unknown !== undefined) throw invalidValue('group_by', unknown, Object.keys(names))
  return asked
}

/** Which rows are asked for. @throws 400 for what would give sums that are not those that were meant */
function filterIn(query: BucketQuery, projectId: ProjectId): (row: UsageRow) => boolean {
  if (listIn(query, 'project_ids')?.some((id) => id !== projectId) === true)
    throw invalid(
      'project_ids',
      `Usage is told of one project at a time, here of '${projectId}': ask for another by its path, /{project_id}/v1.`,
    )
  const [keyIds, models] = [listIn(query, 'api_key_ids'), listIn(query, 'models')]
  const { batch = 'true' } = query
  if (batch !== 'true' && batch !== 'false') throw invalidValue('batch', batch, ['true', 'false'])
  return ({ keyId, model }) =>
    batch === 'true' && (keyIds?.includes(keyId ?? '') ?? true) && (models?.includes(model ?? '') ?? true)
}

/** What is not known would bound the sums, or tell them apart, and has not. @throws 400 */
function refuseUnknown(query: BucketQuery): void {
  const unknown = Object.keys(query).find((name) => !Object.hasOwn(bucketQuery.properties, name))
  if (unknown === undefined) return
  const name = unknown.replace(/\[\]$/, '')
  throw name === 'user_ids'
    ? invalid(name, "Usage is kept by key, not by user: leave 'user_ids' out, or give 'api_key_ids'.")
    : unknownParameter(name)
}

/** As the clients write lists: by the name, once or more, with brackets or without. undefined: it is not given. */
function listIn(query: BucketQuery, name: 'group_by' | 'project_ids' | 'api_key_ids' | 'models'): readonly string[] | undefined {
  const given = [query[name], query[`${name}[]`]].filter((one) => one !== undefined)
  return given.length === 0 ? undefined : given.flat()
}
