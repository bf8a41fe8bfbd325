import type { FastifyInstance } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import type { Caller } from '../../auth/caller.ts'
import { scopeOf, showProject, type OperateParts } from '../../auth/operate.ts'
import { invalid, noSuchQuota } from '../../domain/errors.ts'
import type { ProjectId } from '../../domain/ids.ts'
import { quotaKinds, type Quota, type QuotaKind } from '../../domain/quota.ts'
import { quotaWire, usedQuotaWire } from '../../domain/quota-wire.ts'
import { wholeList } from '../../domain/wire.ts'
import { deleteQuota, putQuota, quotasOf } from '../../store/quotas.ts'
import { does } from '../guard/allowed.ts'
import { heldOf } from './known-quotas.ts'
import type { ApiParts } from '../parts.ts'

const kinds = Object.keys(quotaKinds) as QuotaKind[]
const kind = Type.Union(
  kinds.map((name) => Type.Literal(name)),
  { description: kinds.map((name) => `${name}: ${quotaKinds[name].about}`).join('; ') },
)
const project = Type.Optional(Type.String({ description: 'by id or name; default: that of the key' }))
const modelName = Type.String({ minLength: 1, maxLength: 1024, description: 'of tokens and cost; default: all models' })
const amount = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

const fields = {
  object: Type.Literal('quota'),
  project: Type.String(),
  kind: Type.String(),
  model: Type.Union([Type.String(), Type.Null()]),
  amount: Type.Integer(),
}
const quota = Type.Object(fields)
const used = Type.Union([Type.Integer(), Type.Null()], { description: 'null: it bounds each one alone' })
const quotaList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(Type.Object({ ...fields, used })),
  has_more: Type.Boolean(),
})

const projectQuery = Type.Object({ project })
const putBody = Type.Object({ project, kind, model: Type.Optional(Type.Union([modelName, Type.Null()])), amount })
const nameQuery = Type.Object({ project, kind, model: Type.Optional(modelName) })
const deleted = Type.Object({ object: Type.Literal('quota'), kind: Type.String(), deleted: Type.Boolean() })

/** What projects may have at most, and what they have of it: our addition (spec: "Quotas"). */
export function quotaRoutes(app: FastifyInstance, parts: OperateParts & Pick<ApiParts, 'prices'>): void {
  const { db } = parts

  const projectOf = async (caller: Caller, named: string | undefined): Promise<ProjectId> =>
    named === undefined ? caller.projectId : (await showProject(parts, scopeOf(caller), named)).id

  async function listOf(projectId: ProjectId) {
    const held = await heldOf(parts, projectId)
    return wholeList((await quotasOf(db, [projectId])).map((one) => usedQuotaWire(one, held)))
  }
  async function nameOf(
    caller: Caller,
    given: Static<typeof putBody> | Static<typeof nameQuery>,
  ): Promise<Omit<Quota, 'amount'>> {
    const { kind: name, model = null } = given
    if (model !== null && !quotaKinds[name].ofModel)
      throw invalid('model', `A quota '${name}' is for all models: leave 'model' out.`)
    return { projectId: await projectOf(caller, given.project), kind: name, model }
  }

  app.get(
    '/quotas',
    {
      config: does('quotas.read'),
      schema: { summary: 'What the project may have, and what it has of it', response: { 200: quotaList } },
    },
    ({ caller }) => listOf(caller.projectId),
  )

  app.get<{ Querystring: Static<typeof projectQuery> }>(
    '/admin/quotas',
    {
      config: does('admin.quotas.list'),
      schema: {
        summary: 'What a project may have, and what it has of it',
        querystring: projectQuery,
        response: { 200: quotaList },
      },
    },
    async ({ caller, query }) => listOf(await projectOf(caller, query.project)),
  )

  app.post<{ Body: Static<typeof putBody> }>(
    '/admin/quotas',
    {
      config: does('admin.quotas.set'),
      schema: { summary: 'Set what a project may have at most', body: putBody, response: { 200: quota } },
    },
    async (request) => {
      const { caller, body } = request
      const set = { ...(await nameOf(caller, body)), amount: body.amount }
      await putQuota(db, set)
      request.doneIn = set.projectId
      return quotaWire(set)
    },
  )

  app.delete<{ Querystring: Static<typeof nameQuery> }>(
    '/admin/quotas',
    {
      config: does('admin.quotas.delete'),
      schema: { summary: 'Let a project have as much as it likes', querystring: nameQuery, response: { 200: deleted } },
    },
    async (request) => {
      const name = await nameOf(request.caller, request.query)
      if (!(await deleteQuota(db, name))) throw noSuchQuota(name.kind)
      request.doneIn = name.projectId
      return { object: 'quota', kind: name.kind, deleted: true }
    },
  )
}
