import { createHash } from 'node:crypto'
import { randomName, type KeyId, type ProjectId } from '../domain/ids.ts'
import type { Queries } from '../store/db.ts'
import { insertKey, type Key } from '../store/keys.ts'

const secretLength = 43

/** A plain hash is right here: a key is 256 bits of chance, so there is nothing to guess and nothing to stretch. */
export const hashKey = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** Makes a key of a project. The secret is in the answer and nowhere else. */
export async function createKey(
  db: Queries,
  {
    id,
    projectId,
    name,
    createdAt,
    randomBytes,
  }: { id: string; projectId: ProjectId; name: string; createdAt: number; randomBytes: (n: number) => Uint8Array },
): Promise<{ key: Key; secret: string }> {
  const secret = `ns-${randomName(secretLength, randomBytes)}`
  const key: Key = { id: id as KeyId, projectId, name, hint: secret.slice(0, 7), createdAt, revokedAt: null }
  await insertKey(db, { ...key, hash: hashKey(secret) })
  return { key, secret }
}
