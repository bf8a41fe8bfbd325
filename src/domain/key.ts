import type { KeyId, ProjectId } from './ids.ts'
import type { RateLimits } from './rate.ts'

/** A key as it can be shown: the key itself is stored only as a hash. */
export interface Key {
  readonly id: KeyId
  /** What it is for when a request names no project. */
  readonly projectId: ProjectId
  readonly name: string
  /** Its first characters, so that a person can tell keys apart. */
  readonly hint: string
  /** null: a key. Else there is none: it is a subject of this issuer: `access` is where its tokens let it in, with the rights of the latest there, and it is an operator if one made it one. */
  readonly issuer: string | null
  readonly isOperator: boolean
  /** What it may do, where: at least in its own project. */
  readonly access: readonly Access[]
  /** How often it may do things; what is not there is as for all keys. */
  readonly limits: RateLimits
  readonly createdAt: number
  readonly expiresAt: number | null
  /** To the minute or so. */
  readonly lastUsedAt: number | null
  readonly revokedAt: number | null
}

export interface Access {
  readonly projectId: ProjectId
  readonly projectName: string
  /** Names of rights and of sets. */
  readonly rights: readonly string[]
}
