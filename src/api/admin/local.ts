/** The API of operators within the process of a command, where nobody else reaches it: who can open the database may do everything. */
import { fastify, type FastifyInstance } from 'fastify'
import type { Caller } from '../../auth/caller.ts'
import type { OperateParts } from '../../auth/operate.ts'
import type { KeyId, ProjectId } from '../../domain/ids.ts'
import type { PriceList } from '../../domain/price.ts'
import { rights } from '../../domain/rights.ts'
import { defaultProject } from '../../store/projects.ts'
import { readingOptions, speakJson } from '../envelope.ts'
import { auditRoutes, makeAuditor } from '../guard/audit.ts'
import { letIn } from '../guard/guard.ts'
import { usageOfAllRoutes } from '../usage/usage.ts'
import { adminRoutes } from './admin.ts'
import { auditListRoutes } from './audit-list.ts'
import { quotaRoutes } from './quotas.ts'

export interface LocalApi extends AsyncDisposable {
  /** Any host will do. @throws what a server would log and answer with 500 or 503 */
  readonly fetch: typeof globalThis.fetch
}

/** `by`: who, on this machine. `auditMs` 0: nothing is written down. */
export async function openLocalApi(
  parts: OperateParts & { readonly prices: PriceList; readonly auditMs: number },
  by: string,
): Promise<LocalApi> {
  const { db } = parts
  const caller: Caller = {
    keyId: '' as KeyId,
    projectId: (await defaultProject(db))?.id ?? ('default' as ProjectId),
    rights: new Set(rights),
    limits: {},
  }
  const troubles: unknown[] = []
  const events = { audited() {}, auditFailed: (error: unknown) => void troubles.push(error) }
  const auditor = makeAuditor({ ...parts, events })
  const app: FastifyInstance = fastify({ logger: false, routerOptions: { maxParamLength: 8192 }, ...readingOptions })
  speakJson(app, (_, error) => troubles.push(error))
  await app.register(
    async (routes) => {
      if (parts.auditMs > 0)
        auditRoutes(routes, { ...auditor, note: (entry) => auditor.note({ ...entry, keyId: null, address: `local (${by})` }) })
      letIn(caller).stand(routes)
      adminRoutes(routes, { ...parts, limits: { rates: {} } })
      auditListRoutes(routes, parts)
      quotaRoutes(routes, parts)
      usageOfAllRoutes(routes, parts)
    },
    { prefix: '/v1' },
  )
  const tellTrouble = () => {
    if (troubles.length > 0) throw troubles.shift()
  }
  return {
    async fetch(input, init) {
      const request = new Request(input, init)
      const { pathname, search } = new URL(request.url)
      const answer = await app.inject({
        method: request.method as 'GET',
        url: pathname + search,
        headers: Object.fromEntries(request.headers),
        payload: await request.text(),
      })
      tellTrouble()
      return new Response(answer.body, { status: answer.statusCode, headers: { 'content-type': 'application/json' } })
    },
    async [Symbol.asyncDispose]() {
      await app.close()
      await auditor.end()
      tellTrouble()
    },
  }
}
