import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'

/** All names under a folder that others work in: a directory that goes away while it is read makes the reading begin anew. */
export async function namesUnder(folder: string): Promise<string[]> {
  for (;;) {
    try {
      return await readdir(folder, { recursive: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || !existsSync(folder)) throw error
    }
  }
}
