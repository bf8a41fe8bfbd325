/** Writes down who does what: a line of the log at once, a row with those of the next moment. */
import type { FastifyInstance } from 'fastify'
import { isAudited, type AuditEntry } from '../../domain/audit.ts'
import type { ProjectId } from '../../domain/ids.ts'
import type { Events } from '../../events.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Db } from '../../store/db.ts'
import { insertAudit } from '../../store/audit.ts'

const togetherMs = 250
const rowsAtOnce = 100
/** Rows that wait for the database at most; what comes beyond stands in the log alone. */
const waitingAtMost = 10_000
/** Of those who have no key that is good so many rows a minute: who knocks for fun fills no table. */
const strangersAMinute = 100

declare module 'fastify' {
  interface FastifyRequest {
    /** The id of what was made, changed or asked for. */
    target: string | null
    /** The project in which it was done, where that is not the one that was called for. */
    doneIn: ProjectId | null
  }
}

export interface AuditParts {
  readonly db: Db
  readonly clock: Clock
  readonly events: Pick<Events, 'audited' | 'auditFailed'>
  readonly newUuid: () => string
}

export interface Auditor {
  note(entry: Omit<AuditEntry, 'id' | 'at'>): void
  /** Resolves when all rows are there, or cannot be. */
  end(): Promise<void>
}

export function makeAuditor({ db, clock, events, newUuid }: AuditParts): Auditor {
  let waiting: AuditEntry[] = []
  let writing: Promise<void> | null = null
  const ending = new AbortController()
  let minute = { at: -Infinity, strangers: 0 }

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const some = waiting.slice(0, rowsAtOnce)
      try {
        await insertAudit(db, some)
      } catch (error) {
        return events.auditFailed(error)
      }
      waiting = waiting.slice(some.length)
    }
  }

  function isTooMany({ status }: Pick<AuditEntry, 'status'>): boolean {
    if (waiting.length >= waitingAtMost) return true
    if (status !== 401) return false
    if (clock.monotonic() - minute.at >= 60_000) minute = { at: clock.monotonic(), strangers: 0 }
    return ++minute.strangers > strangersAMinute
  }

  return {
    note(what) {
      const entry = { ...what, id: newUuid(), at: clock.now() }
      events.audited(entry)
      if (isTooMany(entry)) return
      waiting.push(entry)
      writing ??= clock
        .sleep(togetherMs, ending.signal)
        .then(write)
        .finally(() => (writing = null))
    },
    async end() {
      ending.abort()
      await (writing ?? write())
    },
  }
}

const idOf = (params: unknown): string | null => (params as { readonly id?: string }).id ?? null

const idIn = (payload: unknown): string | null => {
  const { id, kind } = (payload ?? {}) as { readonly id?: unknown; readonly kind?: unknown }
  return typeof id === 'string' ? id : typeof kind === 'string' ? kind : null
}

/** Notes what the routes do. */
export function auditRoutes(routes: FastifyInstance, auditor: Auditor): void {
  // NOTE: with `done`, not async: they stand before and behind each request, and a promise for each costs more than what they do
  routes.addHook('preSerialization', (request, _, payload, done) => {
    request.target ??= idOf(request.params) ?? idIn(payload)
    done(null, payload)
  })
  routes.addHook(
    'onResponse',
    ({ routeOptions, caller, calledWith, params, ip, target, doneIn }, { statusCode: status }, done) => {
      done()
      const { operation } = routeOptions.config
      if (!operation || !isAudited(operation, status)) return
      const projectId = (caller as typeof caller | null)?.projectId ?? calledWith?.projectId ?? null
      const keyId = calledWith?.id ?? null
      auditor.note({ projectId: doneIn ?? projectId, keyId, operation, target: target ?? idOf(params), address: ip, status })
    },
  )
}
