import { readFile } from 'node:fs/promises'
import type { S3Access, Secret } from '../../domain/grant.ts'
import { variable } from '../../kit/environment.ts'

/** Says where the secret should be, and nothing of what is there. */
export class SecretMissing extends Error {
  override name = 'SecretMissing'
}

/** The form in which the client takes them. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** NOTE: over at once, so that the client asks again with each call: a secret that was changed in its file serves the next one. */
  readonly expiration: Date
}

/** @throws {SecretMissing} */
export async function readCredentials({ accessKeyId, secretAccessKey, sessionToken }: S3Access): Promise<Credentials> {
  return {
    accessKeyId: typeof accessKeyId === 'string' ? accessKeyId : await readSecret(accessKeyId),
    secretAccessKey: await readSecret(secretAccessKey),
    ...(sessionToken && { sessionToken: await readSecret(sessionToken) }),
    expiration: new Date(),
  }
}

async function readSecret(secret: Secret): Promise<string> {
  if ('variable' in secret) {
    const found = variable(secret.variable)
    if (found) return found
    throw new SecretMissing(`The variable ${secret.variable} is not set on this machine. Set it, and start again.`)
  }
  const found = await readFile(secret.file, 'utf8').then(
    (text) => text.trim(),
    () => '',
  )
  if (found) return found
  throw new SecretMissing(`The file ${secret.file} cannot be read on this machine, or is empty.`)
}
