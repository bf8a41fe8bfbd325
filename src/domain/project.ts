import type { ProjectId } from './ids.ts'

export interface Project {
  readonly id: ProjectId
  readonly name: string
  readonly isDefault: boolean
  /** Its part of what is served, beside other projects. */
  readonly weight: number
  readonly createdAt: number
  /** How long its files and ended batches are kept, ms; null: as the server does. */
  readonly keepMs: number | null
  /** Since when it is being erased. */
  readonly erasingAt: number | null
}
