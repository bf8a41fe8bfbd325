import type { FastifyInstance } from 'fastify'
import { dateOf, dayOf, parseDate, type Day } from '../../domain/day.ts'
import { invalidValue } from '../../domain/errors.ts'
import { costOf } from '../../domain/price.ts'
import { grouped, type UsageGroup, type UsageKey } from '../../domain/usage-rows.ts'
import { usageRowWire } from '../../domain/usage-wire.ts'
import { usageBetween } from '../../store/usage.ts'
import { does } from '../guard/allowed.ts'
import type { ApiParts } from '../parts.ts'
import { usageList, usageQuery, type UsageQuery } from '../schemas.ts'

const usualDays = 30
/** As they stand in `group_by`. */
const names: Readonly<Record<string, UsageKey>> = { date: 'day', api_key_id: 'keyId', model: 'model', endpoint: 'endpoint' }

/** What a project has used: our addition. It counts when a batch ends, in the same commit (D18). */
export function usageRoutes(app: FastifyInstance, { db, clock, prices }: ApiParts): void {
  app.get<{ Querystring: UsageQuery }>(
    '/usage',
    {
      config: does('usage.read'),
      schema: { summary: 'What the project has used, by day', querystring: usageQuery, response: { 200: usageList } },
    },
    async (request) => {
      const today = dayOf(clock.now())
      const to = dateIn('end', request.query.end, today)
      const from = dateIn('start', request.query.start, to - usualDays + 1)
      if (from > to) throw invalidValue('start', dateOf(from), [`${dateOf(to)} or before`])
      const by = keysIn(request.query.group_by ?? 'date,model')
      const rows = await usageBetween(db, request.caller.projectId, [from, to])
      return { object: 'list', start: dateOf(from), end: dateOf(to), data: grouped(rows, by).map((group) => wireOf(group)) }
    },
  )

  /** A price goes by the day and the model: cost is summed over the finest rows. */
  function wireOf({ row, of }: UsageGroup) {
    const costs = of.map((one) => costOf(prices, one.model, one.day ?? 0, one.sums))
    const cost = costs.reduce<bigint | null>((sum, c) => (sum === null || c === null ? null : sum + c), 0n)
    return usageRowWire(row, prices, cost)
  }
}

function dateIn(name: string, text: string | undefined, otherwise: Day): Day {
  const day = text === undefined ? otherwise : parseDate(text)
  if (day === null) throw invalidValue(name, text ?? '', ['a date such as 2026-11-01'])
  return day
}

function keysIn(text: string): readonly UsageKey[] {
  const asked = text.split(',').filter((name) => name !== '')
  const unknown = asked.find((name) => names[name] === undefined)
  if (unknown !== undefined) throw invalidValue('group_by', unknown, Object.keys(names))
  return asked.flatMap((name) => names[name] ?? [])
}
