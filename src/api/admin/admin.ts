import type { FastifyInstance } from 'fastify'
import {
  addKey,
  addProject,
  changeProject,
  eraseProject,
  scopeOf,
  showBuckets,
  showErasures,
  showKeys,
  showProject,
  showProjects,
  withdrawKey,
  type OperateParts,
} from '../../auth/operate.ts'
import { grantWire, keyWire, projectWire } from '../../domain/admin-wire.ts'
import { invalid } from '../../domain/errors.ts'
import { erasureWire } from '../../domain/erasure.ts'
import { rateLimits, type RateLimits } from '../../domain/rate.ts'
import { wholeList } from '../../domain/wire.ts'
import {
  bucketList,
  createKeyBody,
  erasure,
  erasureList,
  keyList,
  keysQuery,
  madeKey,
  project,
  projectBody,
  projectChange,
  projectList,
  revokedKey,
  type CreateKeyBody,
  type KeysQuery,
  type ProjectBody,
  type ProjectChange,
} from './admin-schemas.ts'
import { does } from '../guard/allowed.ts'
import type { ApiLimits } from '../parts.ts'
import { idParams } from '../schemas.ts'

const milliseconds = (seconds: number | null | undefined): number | null =>
  seconds === null || seconds === undefined ? null : seconds * 1000

/** What an operator bounds for all, the administrator of a project may not lift. @throws 400 */
function checkLimits(given: RateLimits, all: RateLimits): void {
  for (const limit of rateLimits) {
    const [asked, most] = [given[limit], all[limit]]
    if (asked !== undefined && most !== undefined && asked > most)
      throw invalid(`limits.${limit}`, `Invalid 'limits.${limit}': at most ${most}. An operator can make a key with more.`)
  }
}

/** Projects, keys and grants: our addition (spec: "Projects and keys"). */
export function adminRoutes(app: FastifyInstance, parts: OperateParts & { readonly limits: Pick<ApiLimits, 'rates'> }): void {
  app.get(
    '/admin/projects',
    { config: does('admin.projects.list'), schema: { summary: 'List projects', response: { 200: projectList } } },
    async ({ caller }) => wholeList((await showProjects(parts, scopeOf(caller))).map(projectWire)),
  )

  app.post<{ Body: ProjectBody }>(
    '/admin/projects',
    {
      config: does('admin.projects.create'),
      schema: { summary: 'Create a project, with a bucket folder of its own', body: projectBody, response: { 200: project } },
    },
    async (request) => {
      const made = await addProject(parts, request.body.name)
      request.doneIn = made.id
      return projectWire(made)
    },
  )

  app.get<{ Params: { id: string } }>(
    '/admin/projects/:id',
    {
      config: does('admin.projects.get'),
      schema: { summary: 'Get a project, by id or name', params: idParams, response: { 200: project } },
    },
    async ({ caller, params }) => projectWire(await showProject(parts, scopeOf(caller), params.id)),
  )

  app.post<{ Params: { id: string }; Body: ProjectChange }>(
    '/admin/projects/:id',
    {
      config: does('admin.projects.change'),
      schema: {
        summary: 'Give a project another name or weight',
        params: idParams,
        body: projectChange,
        response: { 200: project },
      },
    },
    async (request) => {
      const changed = await changeProject(parts, scopeOf(request.caller), request.params.id, request.body)
      request.doneIn = request.target = changed.id // NOTE: it may have been asked for by its name
      return projectWire(changed)
    },
  )

  app.delete<{ Params: { id: string } }>(
    '/admin/projects/:id',
    {
      config: does('admin.projects.erase'),
      schema: {
        summary: 'Delete a project, by id or name, with everything of it; goes on by itself',
        params: idParams,
        response: { 200: erasure },
      },
    },
    async (request) => {
      const { erasure: begun, there } = await eraseProject(parts, scopeOf(request.caller), request.params.id)
      request.doneIn = request.target = begun.projectId
      return erasureWire(begun, there)
    },
  )

  app.get(
    '/admin/erasures',
    {
      config: does('admin.erasures.list'),
      schema: { summary: 'List projects that were deleted or are being deleted, newest first', response: { 200: erasureList } },
    },
    async () => wholeList((await showErasures(parts)).map(({ erasure: one, there }) => erasureWire(one, there))),
  )

  app.get<{ Querystring: KeysQuery }>(
    '/admin/keys',
    {
      config: does('admin.keys.list'),
      schema: { summary: 'List keys, without their secrets', querystring: keysQuery, response: { 200: keyList } },
    },
    async ({ caller, query }) => wholeList((await showKeys(parts, scopeOf(caller), query.project)).map(keyWire)),
  )

  app.post<{ Body: CreateKeyBody }>(
    '/admin/keys',
    {
      config: does('admin.keys.create'),
      schema: {
        summary: 'Create a key; its secret is in the answer, and nowhere else',
        body: createKeyBody,
        response: { 200: madeKey },
      },
    },
    async (request) => {
      const { caller, body } = request
      if (scopeOf(caller) !== null) checkLimits(body.limits ?? {}, parts.limits.rates)
      const { key, secret } = await addKey(parts, scopeOf(caller), {
        name: body.name,
        access: body.access ?? [{ project: caller.projectId }],
        isOperator: body.operator ?? false,
        expiresAt: milliseconds(body.expires_at),
        limits: body.limits ?? {},
      })
      request.doneIn = key.projectId
      return { ...keyWire(key), key: secret }
    },
  )

  app.delete<{ Params: { id: string } }>(
    '/admin/keys/:id',
    {
      config: does('admin.keys.revoke'),
      schema: { summary: 'Revoke a key, for good', params: idParams, response: { 200: revokedKey } },
    },
    async (request) => {
      const { id } = request.params
      request.doneIn = (await withdrawKey(parts, scopeOf(request.caller), id)).projectId
      return { id, object: 'key', revoked: true }
    },
  )

  app.get(
    '/admin/buckets',
    {
      config: does('admin.buckets.list'),
      schema: { summary: 'List which project may use which bucket', response: { 200: bucketList } },
    },
    async ({ caller }) => wholeList((await showBuckets(parts, scopeOf(caller))).map(grantWire)),
  )
}
