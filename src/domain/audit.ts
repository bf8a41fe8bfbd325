/** What is written down of who did what, and of who was not let. No contents: neither of requests nor of answers. */
import type { KeyId, ProjectId } from './ids.ts'
import type { Operation } from './rights.ts'
import { seconds } from './seconds.ts'

export interface AuditEntry {
  /** Sorts by time. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** null: nobody that is known. */
  readonly projectId: ProjectId | null
  readonly keyId: KeyId | null
  readonly operation: Operation
  /** The id of what was made, changed or asked for, where it has one. */
  readonly target: string | null
  /** From where: the address of the client, or of the proxy that stands for it. */
  readonly address: string
  readonly status: number
}

const reads = /\.(list|get|read|content|deliveries)$/

/** What changed something, and what was refused for want of a key or a right. */
export const isAudited = (operation: Operation, status: number): boolean =>
  status === 401 || status === 403 || (status < 400 && !reads.test(operation))

export const auditWire = (entry: AuditEntry) => ({
  id: entry.id,
  object: 'audit.entry' as const,
  at: seconds(entry.at),
  project: entry.projectId as string | null,
  key: entry.keyId as string | null,
  operation: entry.operation as string,
  target: entry.target,
  address: entry.address,
  status: entry.status,
})
export type AuditView = ReturnType<typeof auditWire>
