import { createHash, randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const bytes = 32

/**
 * What the secrets that this server gives out are made from: `given` by the operator, or kept in the data folder, where it is made at the first need and is its
 * owner's alone to read. Of several processes that make it at once, one does.
 */
export function openSigningKey({ folder, given }: { folder: string; given: string | null }): () => Promise<Uint8Array> {
  if (given !== null) {
    const key = createHash('sha256').update(given).digest()
    return () => Promise.resolve(key)
  }
  const path = join(folder, 'signing.key')
  const read = async () => {
    const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'base64')
    if (key.length !== bytes) throw new Error(`${path} is not a signing key: put the one of your backup there`)
    return key
  }
  const make = async () => {
    const own = `${path}.${randomBytes(6).toString('hex')}`
    await writeFile(own, `${randomBytes(bytes).toString('base64')}\n`, { mode: 0o600 })
    await link(own, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    await rm(own)
  }
  let known: Promise<Uint8Array> | null = null
  const open = async () => {
    const there = await read().catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (there) return there
    await make()
    return read()
  }
  return () => {
    known ??= open()
    known.catch(() => {
      known = null
    })
    return known
  }
}
