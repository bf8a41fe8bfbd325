import { rmSync } from 'node:fs'
import { exitBySignal } from './stopping.ts'

/** A file or folder that is gone at the end, also where the process is asked to end, or its reader has gone, before that. */
export function temporary(path: string): Disposable {
  const remove = () => rmSync(path, { recursive: true, force: true })
  const interrupted = () => process.exit(exitBySignal.SIGINT)
  const terminated = () => process.exit(exitBySignal.SIGTERM)
  process.once('exit', remove).once('SIGINT', interrupted).once('SIGTERM', terminated)
  return {
    [Symbol.dispose]() {
      process.off('exit', remove).off('SIGINT', interrupted).off('SIGTERM', terminated)
      remove()
    },
  }
}
