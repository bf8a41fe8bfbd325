import type { OpenBatch } from '../../store/shards.ts'

/** Lines that wait for the lanes. */
export interface AtHand {
  /** Of this batch, once it is claimed for; 0 for one of which nothing can be taken. */
  lines(batch: OpenBatch): number
  /** What its project should have at hand for the lanes of this batch. */
  enough(batch: OpenBatch): number
}

export interface Turns {
  /** Those to claim for, in order. */
  readonly near: readonly OpenBatch[]
  /** There are others. */
  readonly isCut: boolean
}

/**
 * Whom to claim for: projects in turn; of a project those to which the lanes will come first (dispatch/order.ts), the soonest and the smallest, until enough
 * lines are at hand. The rest waits in the database for whoever has room: of thousands of batches a worker holds no more than it can send within a moment.
 */
export function turns(open: readonly OpenBatch[], atHand: AtHand): Turns {
  const groups = new Map<string, OpenBatch[]>()
  for (const batch of open) {
    const key = `${batch.projectId} ${batch.endpoint} ${batch.model}`
    const group = groups.get(key)
    if (group) group.push(batch)
    else groups.set(key, [batch])
  }
  const lists = [...groups.values()].map((group) => nearOf(group, atHand))
  const longest = Math.max(0, ...lists.map((list) => list.length))
  const near: OpenBatch[] = []
  for (let rank = 0; rank < longest; rank++)
    for (const list of lists) {
      const batch = list[rank]
      if (batch) near.push(batch)
    }
  return { near, isCut: near.length < open.length }
}

function nearOf(group: readonly OpenBatch[], atHand: AtHand): OpenBatch[] {
  const soonest = within(group.toSorted(byDeadline), atHand)
  if (group.some(({ atRisk }) => atRisk)) return soonest
  const smallest = within(group.toSorted(bySize), atHand)
  const both = new Set<OpenBatch>()
  for (let i = 0; i < Math.max(soonest.length, smallest.length); i++)
    for (const batch of [soonest[i], smallest[i]]) if (batch) both.add(batch)
  return [...both]
}

function within(ordered: readonly OpenBatch[], atHand: AtHand): OpenBatch[] {
  let lines = 0
  const end = ordered.findIndex((batch) => {
    const isEnough = lines >= atHand.enough(batch)
    lines += atHand.lines(batch)
    return isEnough
  })
  return end < 0 ? [...ordered] : ordered.slice(0, end)
}

const byId = (a: OpenBatch, b: OpenBatch) => (a.id < b.id ? -1 : 1)
const byDeadline = (a: OpenBatch, b: OpenBatch) => a.leftMs - b.leftMs || byId(a, b)
const bySize = (a: OpenBatch, b: OpenBatch) => a.lines - b.lines || byDeadline(a, b)
