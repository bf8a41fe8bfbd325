import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { scopeOf, showAudit, type OperateParts } from '../../auth/operate.ts'
import { auditWire } from '../../domain/audit.ts'
import { listWire } from '../../domain/wire.ts'
import { does } from '../guard/allowed.ts'
import { parseLimit, type PageQuery } from '../query.ts'
import { after, listOf, whole } from '../schemas.ts'

const textOrNull = Type.Union([Type.String(), Type.Null()])
const entry = Type.Object({
  id: Type.String(),
  object: Type.Literal('audit.entry'),
  at: Type.Integer({ description: 'seconds since 1970' }),
  project: textOrNull,
  key: textOrNull,
  operation: Type.String({ description: 'by its name in the table of operations: batches.create' }),
  target: Type.Union([Type.String(), Type.Null()], { description: 'the id of what was made, changed or asked for' }),
  address: Type.String({ description: 'from where' }),
  status: Type.Integer({ description: 'of the answer; 401, 403: it was refused' }),
})
const auditQuery = Type.Object({
  project: Type.Optional(Type.String({ description: 'of one project, by id or name' })),
  after,
  limit: Type.Optional(Type.String(whole(1000))),
})
interface AuditQuery extends Pick<PageQuery, 'after' | 'limit'> {
  readonly project?: string
}

/** Who did what, and who was not let: our addition (spec: "Audit"). */
export function auditListRoutes(app: FastifyInstance, parts: OperateParts): void {
  app.get<{ Querystring: AuditQuery }>(
    '/admin/audit',
    {
      config: does('admin.audit.list'),
      schema: { summary: 'Who did what, newest first', querystring: auditQuery, response: { 200: listOf(entry) } },
    },
    async ({ caller, query }) => {
      const limit = parseLimit(query.limit, { most: 1000, otherwise: 100 })
      const found = await showAudit(parts, scopeOf(caller), { ...query, limit: limit + 1 })
      return listWire(found.slice(0, limit).map(auditWire), found.length > limit)
    },
  )
}
