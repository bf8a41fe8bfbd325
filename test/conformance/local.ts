import { readdirSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import type { Subject } from './subject.ts'

/** Settings that checks of their own start a server with. */
export interface Special {
  readonly attempts?: number
  readonly firstByteTimeoutMs?: number
  readonly answerTimeoutMs?: number
}

/** The real program, started in this process, on a data folder of its own, with a clock that can be moved. */
export interface LocalSubject extends Subject {
  readonly projectId: string
  readonly bucket: { readonly name: string; readonly folder: string }
  readonly data: string
  /** Moves the wall clock on. */
  advance(ms: number): void
  /** Stops the server, and starts it on the same data. */
  restart(options: { whileOff: () => void }): Promise<void>
}

export function openLocal(_special: Special = {}): Promise<LocalSubject> {
  return Promise.reject(new Error('there is no program to start yet'))
}

/** The size of everything in a folder. */
export async function bytesUnder(folder: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(folder, { recursive: true })) {
    bytes += await stat(join(folder, name)).then(
      (of) => (of.isFile() ? of.size : 0),
      () => 0, // NOTE: it went away meanwhile
    )
  }
  return bytes
}

/** Holds the database's write lock, as another program would that has it open, until disposed. */
export function lockDatabase(data: string): Disposable {
  const file = readdirSync(data).find((name) => name.endsWith('.db'))
  if (file === undefined) throw new Error(`no database in ${data}`)
  const db = new Database(join(data, file))
  db.exec('begin immediate')
  return {
    [Symbol.dispose]() {
      db.exec('rollback')
      db.close()
    },
  }
}
