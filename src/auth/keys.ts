import { hash } from 'node:crypto'
import { randomName, type KeyId, type ProjectId } from '../domain/ids.ts'
import type { RateLimits } from '../domain/rate.ts'
import { usualSet } from '../domain/rights.ts'
import type { Db } from '../store/db.ts'
import { insertKey, type NewKey } from '../store/keys.ts'

const secretLength = 43

/** A plain hash is right here: a key is 256 bits of chance, so there is nothing to guess and nothing to stretch. */
export const hashKey = (secret: string): string => hash('sha256', secret)

export interface KeyWish {
  readonly id: string
  readonly projectId: ProjectId
  readonly name: string
  readonly createdAt: number
  readonly randomBytes: (n: number) => Uint8Array
  /** Without it: all that can be done with the data of its project. */
  readonly access?: NewKey['access']
  readonly isOperator?: boolean
  readonly expiresAt?: number | null
  readonly limits?: RateLimits
}

/** Makes a key. The secret is in the answer and nowhere else. */
export async function createKey(db: Db, wish: KeyWish): Promise<{ id: KeyId; secret: string }> {
  const { id, projectId, name, createdAt, randomBytes } = wish
  const secret = `ns-${randomName(secretLength, randomBytes)}`
  const key: NewKey = {
    id: id as KeyId,
    projectId,
    name,
    hash: hashKey(secret),
    hint: secret.slice(0, 7),
    issuer: null,
    isOperator: wish.isOperator ?? false,
    access: wish.access ?? [{ projectId, rights: [usualSet] }],
    limits: wish.limits ?? {},
    createdAt,
    expiresAt: wish.expiresAt ?? null,
  }
  await db.tx((tx) => insertKey(tx, key))
  return { id: key.id, secret }
}
