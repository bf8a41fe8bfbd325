import { isTerminal, type BatchStatus } from '../../src/domain/batch.ts'
import type { World } from './world-parts.ts'

/** The project that has a webhook. */
export const listening = 'p1'

/** Each batch of a project that listens, and none that goes on, has one event, of its status and always the same; nothing has come that is not one (I17). */
export async function checkTold({ database, heard, ledger }: World): Promise<void> {
  const wrong = (what: string) => ledger.wrong('I17', what)
  const batches = await database.eyes.query(`select id, status, project_id from batches`)
  const rows = await database.eyes.query(`select event_id, type, subject, state from deliveries`)
  for (const { id, status, project_id: project } of batches) {
    const its = rows.filter(({ subject }) => subject === id)
    const wanted = project === listening && isTerminal(status as BatchStatus) ? [`batch.${status}`] : []
    if (its.map(({ type }) => type).join() !== wanted.join())
      wrong(`batch ${id} is ${status}, and its events are '${its.map(({ type }) => type).join()}'`)
  }
  for (const { event_id: id, state } of rows)
    if (state === 'delivered' && heard.get(String(id))?.size !== 1)
      wrong(`event ${id} counts as delivered, and came in ${heard.get(String(id))?.size ?? 0} forms`)
  for (const [id, bodies] of heard) {
    if (bodies.size > 1) wrong(`event ${id} came in ${bodies.size} forms`)
    if (!rows.some((row) => row.event_id === id)) wrong(`event ${id} came, and is not known`)
  }
}
