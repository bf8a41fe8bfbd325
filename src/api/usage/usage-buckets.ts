import type { FastifyInstance } from 'fastify'
import { dayOf, startOfDay, type Day } from '../../domain/day.ts'
import { invalidValue, noSuchRoute } from '../../domain/errors.ts'
import { grouped, type UsageKey } from '../../domain/usage-rows.ts'
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
      const first = dayIn('page', query.page) ?? dayIn('start_time', query.start_time) ?? 0
      const end = dayIn('end_time', query.end_time, -1) ?? dayOf(parts.clock.now())
      const last = Math.min(end, first + limit - 1)
      const groups = groupsIn(query)
      const by = groups.flatMap((name) => names[name] ?? [])
      const rows = (await usageBetween(parts.db, projectId, [first, last])).filter(
        ({ endpoint }) => endpoint !== null && counts(endpoint),
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
  const given = [query.group_by, query['group_by[]']].flat().filter((name) => name !== undefined)
  const asked = given.flatMap((text) => text.split(','))
  const unknown = asked.find((name) => !Object.hasOwn(names, name))
  if (unknown !== undefined) throw invalidValue('group_by', unknown, Object.keys(names))
  return asked
}
