import type { FastifyInstance } from 'fastify'
import { makeWhoCalls, type Caller } from '../../auth/caller.ts'
import type { ApiParts } from '../parts.ts'
import { guardRoutes } from './allowed.ts'
import { auditRoutes, makeAuditor } from './audit.ts'
import { makeThrottle } from './rates.ts'

/** Asks who calls, whether they may and how often, and writes down what they did. */
export interface Guard {
  /** Of each request to the routes that are added to these from now on. */
  stand(routes: FastifyInstance): void
  /** Resolves when all that was to be written down is, or cannot be. */
  end(): Promise<void>
}

/** Lets everybody in as this one, and asks nothing: where nobody else comes. */
export const letIn = (caller: Caller): Guard => ({
  stand(routes) {
    routes.addHook('onRequest', (request, _, done) => {
      request.caller = caller
      done()
    })
  },
  end: async () => {},
})

/** By the keys of the database, and the tokens of issuers where there are some. */
export function makeGuard(
  parts: Pick<ApiParts, 'db' | 'clock' | 'events' | 'newUuid' | 'subjectOf'> & {
    readonly limits: Pick<ApiParts['limits'], 'rates' | 'auditMs'>
  },
): Guard {
  const { db, clock, subjectOf, limits } = parts
  const whoCalls = makeWhoCalls({ db, clock, ...(subjectOf && { subjectOf }) })
  const throttle = makeThrottle(parts, limits.rates)
  const auditor = limits.auditMs > 0 ? makeAuditor(parts) : null
  return {
    stand(routes) {
      if (auditor) auditRoutes(routes, auditor)
      guardRoutes(routes, whoCalls, throttle)
    },
    end: async () => auditor?.end(),
  }
}
