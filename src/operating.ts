/** The composition root of what an operator does on the server's machine, beside a server that runs: the database and the places of bytes, and no server. */
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import type { LocalApi } from './api/admin/local.ts'
import { checkBucket, type Checked } from './blobs/check.ts'
import { describePlace, openBlobs, placesIn } from './blobs/open.ts'
import { blobsRoot } from './config/blobs.ts'
import { priceList, type Settings } from './config.ts'
import { grantsOf } from './domain/address.ts'
import type { Grant } from './domain/grant.ts'
import { makeUuids } from './domain/ids.ts'
import { hasSecretOf } from './domain/webhook.ts'
import { systemClock } from './kit/clock.ts'
import { keyRotatedAt } from './kit/signing-key.ts'
import { listGrants } from './store/buckets.ts'
import type { Db } from './store/db.ts'
import { openDatabase } from './store/open.ts'
import { listRunningModels, listTroubles } from './store/walks.ts'
import { listAllWebhooks } from './store/webhooks.ts'
import { isStoreMarked } from './worker/store-mark.ts'

export type Store = Db

/** The database of the settings, up to date. */
export const openStore = (settings: Settings): Promise<Db> =>
  openDatabase({ folder: resolve(settings.data), url: settings.database, clock: systemClock })

/** Tries a bucket as each grant allows it that answers to its name. */
export async function checkGrants(
  db: Db,
  bucket: string,
): Promise<{ readonly grant: Grant; readonly checked: readonly Checked[] }[]> {
  const grants = grantsOf(bucket, await listGrants(db, null))
  return Promise.all(grants.map(async (grant) => ({ grant, checked: await checkBucket(grant.place, bucket) })))
}

/** Ids of webhooks that have a secret which was made, or may have been, with the signing key before the newest; null: there is no such key. */
export async function oldSecrets(db: Db, folder: string): Promise<string[] | null> {
  const rotatedAt = await keyRotatedAt(folder)
  if (rotatedAt === null) return null
  return (await listAllWebhooks(db)).filter((webhook) => hasSecretOf(rotatedAt, webhook, Date.now())).map(({ id }) => id)
}

/** What keeps batches waiting, for `doctor`. */
export const troubles = (db: Db) => listTroubles(db, 100)

/** Looks at the place of files and scratch, and whether it is that of the database. */
export async function tryFiles(db: Db, settings: Settings): Promise<{ readonly place: string; readonly trouble: string | null }> {
  const { files } = placesIn(blobsRoot(settings))
  const place = describePlace(files)
  try {
    const isTheirs = await isStoreMarked(db, openBlobs(files))
    return { place, trouble: isTheirs ? null : `${place} is not the place of this database's files: check --blobs and --data` }
  } catch (error) {
    return { place, trouble: `${place} cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/** Which project may use which bucket. */
export const allGrants = (db: Db) => listGrants(db, null)

/** The models of batches that run, and of how many. */
export const runningModels = (db: Db) => listRunningModels(db)

/** The API of operators on a database that is open, for a command. `by`: who, on this machine. */
export async function openOffice(db: Db, settings: Settings, by: string): Promise<LocalApi> {
  const { openLocalApi } = await import('./api/admin/local.ts') // NOTE: late: no other command needs it
  const parts = {
    db,
    folder: resolve(settings.data),
    clock: systemClock,
    newUuid: makeUuids(() => systemClock.now(), randomBytes),
    randomBytes,
    prices: priceList(settings),
    auditMs: settings.auditKeep,
  }
  return openLocalApi(parts, by)
}

export { retireSigningKey, rotateSigningKey } from './kit/signing-key.ts'
