import { checkGrants } from '../operating.ts'
import type { Settings } from '../config.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { inStore } from './local-office.ts'
import { show } from './operator.ts'
import type { Terminal } from './terminal.ts'

/** Tries what a grant says: writes an object beside nothing, publishes, reads and deletes it. */
export const checkBucket = (t: Terminal, s: Settings, bucket: string): Promise<Exit> =>
  inStore(s, async (db) => {
    if (bucket.includes('*')) throw new Failure(`'${bucket}' is a pattern: name one of the buckets that it means.`, exit.usage)
    const found = await checkGrants(db, bucket)
    if (found.length === 0) throw new Failure(`No grant answers to '${bucket}'. Those that there are: nightshift buckets list`)
    const steps = found.flatMap(({ grant, checked }) => checked.map((step) => ({ project: grant.projectId, ...step })))
    const word = (ok: boolean | null) => (ok === null ? '-' : ok ? 'ok' : 'WRONG')
    show(t, [['PROJECT', 'WHAT', '', ''], ...steps.map(({ project, what, ok, says }) => [project, what, word(ok), says])], steps)
    return steps.some(({ ok }) => ok === false) ? exit.failed : exit.done
  })
