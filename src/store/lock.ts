import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'

/** The data folder as one running server holds it. */
export interface FolderHold extends AsyncDisposable {
  /** Says where the holder can be reached, for the message that a second one gets. */
  describe(about: { url: string }): Promise<void>
}

export class FolderInUse extends Error {
  override name = 'FolderInUse'
}
export class FolderUnusable extends Error {
  override name = 'FolderUnusable'
}

/**
 * The folder belongs to one running server: an exclusive SQLite transaction is held open on a file of its own, which the kernel frees at any death (a pid
 * file lies). @throws {FolderInUse | FolderUnusable}
 */
export async function holdFolder(folder: string): Promise<FolderHold> {
  const about = join(folder, 'server.json')
  const lock = await openLock(folder)
  try {
    lock.exec('begin exclusive')
  } catch (error) {
    lock.close()
    if (!/locked|busy/i.test(String(error)))
      throw new FolderUnusable(`The data folder ${folder} cannot be used: ${String(error)}`, { cause: error })
    const holder = await readHolder(about)
    throw new FolderInUse(
      `The data folder ${folder} is in use by ${holder}. Stop that one first, or name another folder with --data.`,
      { cause: error },
    )
  }
  const describe = (more: object) =>
    writeFile(about, `${JSON.stringify({ pid: process.pid, startedAt: new Date().toISOString(), ...more })}\n`)
  await describe({})
  return {
    describe,
    async [Symbol.asyncDispose]() {
      lock.close()
    },
  }
}

async function openLock(folder: string): Promise<Database.Database> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return new Database(join(folder, 'server.lock'), { timeout: 0 })
  } catch (error) {
    throw new FolderUnusable(
      `The data folder ${folder} cannot be written: ${error instanceof Error ? error.message : String(error)}. Check its rights, or name another with --data.`,
      { cause: error },
    )
  }
}

async function readHolder(about: string): Promise<string> {
  try {
    const { pid, url } = JSON.parse(await readFile(about, 'utf8')) as { pid?: number; url?: string }
    return `${url ? `the server at ${url}` : 'another server'}${pid === undefined ? '' : ` (process ${pid})`}`
  } catch {
    return 'another server'
  }
}
