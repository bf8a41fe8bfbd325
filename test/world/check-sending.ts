import { clientOf } from './ledger.ts'
import type { SimBackend } from './sim-backend.ts'
import type { Database } from './sim-db.ts'
import type { World } from './world-parts.ts'

interface Sending {
  readonly world: World
  /** The worker that sends. */
  readonly who: string
}

const atMostMs = 1000

/** I8, as a request leaves: a cancel, an end or the end of the window was recorded no more than a second ago. I2: nothing is sent twice without a reason. */
export function checkLeaving(key: string, { world: { ledger, database, time, steady }, who }: Sending): void {
  if (key.startsWith('shared')) return // NOTE: of more than one batch, and nothing says of which
  const id = ledger.batchOf.get(clientOf(key))
  if (id === undefined) return ledger.wrong('I1', `line ${key} of no batch was sent`)
  const stoppedAt = ledger.stoppedAt.get(id)
  if (stoppedAt !== undefined && time.now > stoppedAt + atMostMs)
    ledger.wrong('I8', `${who} sends line ${key} ${Math.round(time.now - stoppedAt)} ms after batch ${id} was stopped`)
  const expiresAt = ledger.expiresAt.get(id)
  if (expiresAt !== undefined && wasOver(database, expiresAt, time.now))
    ledger.wrong('I8', `${who} sends line ${key} more than ${atMostMs} ms after the window of batch ${id}`)
  if (!steady) return
  const { open, delivered } = ledger.line(key)
  if (open > 0) ledger.wrong('I2', `line ${key} is sent by ${who} while it is in flight, and nobody has lost a lease`)
  if (delivered > 0) ledger.wrong('I2', `line ${key} has its answer and is sent again by ${who}, and nobody has lost a lease`)
}

/**
 * I9: what the workers have open at a backend, all together. Only in worlds where all of them renew: of one that was cut off for longer than its lease the calls
 * stay open, as those of a dead one do, while others have its slots.
 */
export function checkCalls({ url, calls }: SimBackend, own: number, { world, who }: Sending): void {
  const { ledger, allRenew, dispatch } = world
  const most = dispatch.backends[0]?.maxInFlight ?? 0
  if (own > most) ledger.wrong('I9', `${who} has ${own} calls open at ${url}, ${most} are allowed`)
  if (allRenew && calls.size > most)
    ledger.wrong('I9', `all workers have ${calls.size} calls open at ${url}, ${most} are allowed`)
}

/** Was the window over for all of the last second, by the database's clock as it stood then? */
function wasOver({ nowAt, jumps }: Database, expiresAt: number, at: number): boolean {
  const from = at - atMostMs
  return [from, ...jumps.map((jump) => jump.at).filter((then) => then > from)].every((then) => nowAt(then) > expiresAt)
}
