import { makeJanitor } from '../../src/worker/clean/janitor.ts'
import type { Fleet } from './chaos.ts'
import { checkLeft } from './check-left.ts'
import { checkTold } from './check-told.ts'
import type { Client } from './client.ts'
import { beginProcess, type World } from './world-parts.ts'

/** Any grace time is over by then. */
const stoppedWithinMs = 30_000
const hoursMs = 3 * 3_600_000
const roundMs = 60_000

/** The workers stop, hours pass, and a janitor goes round until there is nothing to do: what is left then? */
export async function endWorld(world: World, fleet: Fleet, clients: readonly Client[]): Promise<void> {
  const { time, ledger } = world
  fleet.stop()
  await time.run(() => false, time.now + stoppedWithinMs)
  for (const worker of fleet.workers)
    if (worker?.life.alive && !worker.over) ledger.wrong('I11', `${worker.life.name} was stopped and does not end`)
  const janitor = makeJanitor({ ...beginProcess(world, 'j'), settings: { keepBatchesMs: 0, keepAuditMs: 0 } })
  for (let round = 0; round < 3; round++) {
    await time.run(() => false, time.now + hoursMs)
    let over = false
    janitor.step(new AbortController().signal).then(
      () => (over = true),
      (error: unknown) => ledger.wrong('I11', `the janitor fails: ${String(error)}`),
    )
    await time.run(() => over, time.now + roundMs)
    if (!over) ledger.wrong('I11', 'the janitor does not come to an end')
  }
  await checkLeft(world, clients)
  await checkTold(world)
}
