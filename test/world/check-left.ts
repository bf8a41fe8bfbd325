import { bucketName, foreign, type Client } from './client.ts'
import type { World } from './world-parts.ts'

/** Hours later, when every janitor has been round: nothing is left that nobody names, and everything that somebody names is there (I3, I7). */
export async function checkLeft(world: World, clients: readonly Client[]): Promise<void> {
  const { database, files, scratch, objects, ledger } = world
  const rows = async (sql: string) => database.eyes.query(sql)
  const left = (what: string, names: readonly unknown[]) =>
    names.length > 0 && ledger.wrong('I3', `${what} left: ${names.slice(0, 3).join()}`)

  left('scratch blobs are', [...scratch.blobs.keys()])
  left(
    'temporary files are',
    [...files.temporary, ...scratch.temporary].map((aside) => aside.changedAt),
  )
  left(
    'shards are',
    (await rows(`select batch_id from shards`)).map((r) => r.batch_id),
  )
  left(
    'checkpoints are',
    (await rows(`select batch_id from segments`)).map((r) => r.batch_id),
  )
  left(
    'uploads are',
    (await rows(`select blob from uploads`)).map((r) => r.blob),
  )
  left(
    'reserved names are',
    (await rows(`select key from outputs where published_at is null`)).map((r) => r.key),
  )

  const named = new Set((await rows(`select blob from files`)).map((row) => String(row.blob)))
  left(
    'blobs of no file are',
    [...files.blobs.keys()].filter((name) => !named.has(name)),
  )
  for (const name of named) if (!files.blobs.has(name)) ledger.wrong('I3', `a file names ${name}, which is gone`)

  left('staged objects are', [...objects.staged.keys()])
  const inputs = clients.map(({ intent }) => `${bucketName}/${intent.object}`)
  const published = (await rows(`select bucket, key, tag from outputs where published_at is not null`)).map(
    ({ bucket, key, tag }) => ({
      name: `${bucket}/${JSON.parse(String(key)) as string}`,
      tag,
    }),
  )
  for (const { name, tag } of published) {
    const object = objects.objects.get(name)
    if (!object) ledger.wrong('I7', `object ${name} was published and is not there`)
    else if (object.tag !== tag) ledger.wrong('I7', `object ${name} was published as ${tag} and is ${object.tag}`)
  }
  const known = new Set([...inputs, ...published.map(({ name }) => name)])
  const unknown = [...objects.objects].filter(([name, { bytes }]) => !known.has(name) && !bytes.equals(foreign))
  left(
    'objects that nobody names are',
    unknown.map(([name]) => name),
  )
}
