import { createHash, randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const bytes = 32
/** A key that a command replaced is known to running servers after so long. */
const rememberedMs = 10_000

/** The newest first: what it gives out is made with that one; what the one before has made is still good. */
export type SigningKeys = readonly [newest: Uint8Array, ...old: Uint8Array[]]

/**
 * What the secrets that this server gives out are made from: `given` by the operator, the newest first, or kept in the data folder, where the first is made at the first need and
 * is its owner's alone to read. Of several processes that make it at once, one does.
 */
export function openSigningKeys({ folder, given }: { folder: string; given: readonly string[] }): () => Promise<SigningKeys> {
  const [newest, ...old] = given.map((text): Uint8Array => createHash('sha256').update(text).digest())
  if (newest !== undefined) return () => Promise.resolve([newest, ...old])
  let known: { readonly keys: Promise<SigningKeys>; readonly until: number } | null = null
  return () => {
    if (known && performance.now() < known.until) return known.keys
    const reading = { keys: keysIn(folder), until: performance.now() + rememberedMs }
    known = reading
    reading.keys.catch(() => {
      if (known === reading) known = null
    })
    return reading.keys
  }
}

const newestIn = (folder: string): string => join(folder, 'signing.key')
const oldIn = (folder: string): string => join(folder, 'signing.key.old')

async function keysIn(folder: string): Promise<SigningKeys> {
  const [there, old] = await Promise.all([read(newestIn(folder)), read(oldIn(folder))])
  const newest = there ?? (await make(newestIn(folder)))
  return old ? [newest, old] : [newest]
}

/** null: it is not there. */
async function read(path: string): Promise<Uint8Array | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (text === null) return null
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length !== bytes) throw new Error(`${path} is not a signing key: put the one of your backup there`)
  return key
}

async function make(path: string): Promise<Uint8Array> {
  const own = await writeNew(path)
  await linkUnlessThere(own, path)
  await rm(own)
  const made = await read(path)
  if (!made) throw new Error(`${path} was made, and is not there`)
  return made
}

async function writeNew(path: string): Promise<string> {
  const own = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(own, `${randomBytes(bytes).toString('base64')}\n`, { mode: 0o600, flush: true }) // NOTE: durable before a webhook whose secret it makes
  return own
}

/** False: there is one already. */
async function linkUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  }
}

/** A new key for what is made from now on; the one until now stays good until it is retired. False: there is one that was not retired yet. */
export async function rotateSigningKey(folder: string): Promise<boolean> {
  await keysIn(folder)
  if (!(await linkUnlessThere(newestIn(folder), oldIn(folder)))) return false
  await rename(await writeNew(newestIn(folder)), newestIn(folder))
  return true
}

/** What the key before the newest has made is good no longer. */
export const retireSigningKey = (folder: string): Promise<void> => rm(oldIn(folder), { force: true })

/** Since when all running servers make secrets with the newest key, in ms since 1970, where one before it is not retired; null: there is none. */
export async function keyRotatedAt(folder: string): Promise<number | null> {
  const old = await read(oldIn(folder))
  return old && (await stat(newestIn(folder))).mtimeMs + rememberedMs
}
