import type { FastifyInstance } from 'fastify'
import { showProject, type OperateParts } from '../../auth/operate.ts'
import { dayOf } from '../../domain/day.ts'
import type { UsageKey } from '../../domain/usage-rows.ts'
import { listProjects } from '../../store/projects.ts'
import { usageBetween } from '../../store/usage.ts'
import { does } from '../guard/allowed.ts'
import type { ApiParts } from '../parts.ts'
import { usageAskIn, usageListWire } from './usage-list.ts'
import { usageList, usageOfAllQuery, usageQuery, type UsageOfAllQuery, type UsageQuery } from './usage-schemas.ts'

/** As they stand in `group_by`. */
const names: Readonly<Record<string, UsageKey>> = { date: 'day', api_key_id: 'keyId', model: 'model', endpoint: 'endpoint' }
const namesOfAll: typeof names = { project_id: 'projectId', ...names }

/** What a project has used: our addition. It counts when a batch ends, in the same commit (D18). */
export function usageRoutes(app: FastifyInstance, { db, clock, prices }: ApiParts): void {
  app.get<{ Querystring: UsageQuery }>(
    '/usage',
    {
      config: does('usage.read'),
      schema: { summary: 'What the project has used, by day', querystring: usageQuery, response: { 200: usageList } },
    },
    async ({ caller, query }) => {
      const ask = usageAskIn(query, dayOf(clock.now()), names, 'date,model')
      return usageListWire(prices, ask, await usageBetween(db, caller.projectId, ask.days), new Map())
    },
  )
}

/** What all projects have used, or one of them, for operators. */
export function usageOfAllRoutes(app: FastifyInstance, parts: OperateParts & Pick<ApiParts, 'prices'>): void {
  const { db, clock, prices } = parts
  app.get<{ Querystring: UsageOfAllQuery }>(
    '/admin/usage',
    {
      config: does('admin.usage.read'),
      schema: { summary: 'Who has used what, by day', querystring: usageOfAllQuery, response: { 200: usageList } },
    },
    async ({ query }) => {
      const ask = usageAskIn(query, dayOf(clock.now()), namesOfAll, 'date,project_id,model')
      const one = query.project === undefined ? null : await showProject(parts, null, query.project)
      const projects = one ? [one] : await listProjects(db)
      const rows = await usageBetween(db, one?.id ?? null, ask.days)
      return usageListWire(prices, ask, rows, new Map(projects.map(({ id, name }) => [id, name])))
    },
  )
}
