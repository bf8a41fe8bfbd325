/** Which batches would miss their windows at the present pace. Work is in the tokens that lines are taken for, a group what the batches of a project share: one model and endpoint. */

export interface Running {
  readonly id: string
  readonly leftMs: number
  /** Work that is left of it. */
  readonly work: number
  readonly atRisk: boolean
}

/** The work that a group had done, all together, when it was looked at. `at`: milliseconds of a clock that does not jump. */
export interface Look {
  readonly at: number
  readonly done: number
}

/** A pace is told from so long: a tenth of what a batch has left, and from no more than ten minutes. */
const spanAtMostMs = 600_000
const spanOfLeft = 0.1
/** Who is at risk no longer is when this part of its time would do. */
const relief = 0.8

/** With one more look; those older than what a pace is told from are forgotten, but for one. A group whose work goes back (its ledger was cut) begins anew. */
export function withLook(looks: readonly Look[], look: Look): readonly Look[] {
  const last = looks.at(-1)
  if (last && look.done < last.done * 0.999) return [look]
  const from = looks.findLastIndex(({ at }) => look.at - at >= spanAtMostMs)
  return [...looks.slice(Math.max(0, from)), look]
}

/**
 * The batches of a group that are at risk now: in the order of their deadlines, each with all that is due before it, at the pace of the last minutes (the
 * demand test of earliest deadline first: Liu and Layland, 1973). One of which the pace is not known long enough stays as it is.
 */
export function batchesAtRisk(batches: readonly Running[], looks: readonly Look[]): ReadonlySet<string> {
  const [oldest, newest] = [looks[0], looks.at(-1)]
  const spanMs = oldest && newest ? newest.at - oldest.at : 0
  const doneInSpan = oldest && newest ? Math.max(0, newest.done - oldest.done) : 0
  const risky = new Set<string>()
  let work = 0
  for (const batch of batches.toSorted((a, b) => a.leftMs - b.leftMs)) {
    work += batch.work
    const isKnown = spanMs >= Math.min(spanAtMostMs, batch.leftMs * spanOfLeft)
    const neededMs = work === 0 ? 0 : (work * spanMs) / doneInSpan
    if (isKnown ? neededMs > batch.leftMs * (batch.atRisk ? relief : 1) : batch.atRisk) risky.add(batch.id)
  }
  return risky
}

/** When to look again: often enough to see what is left of the shortest go by. */
export function nextLookMs(batches: readonly Running[]): number {
  const leastMs = batches.reduce((least, { leftMs }) => Math.min(least, leftMs), Infinity)
  return Math.min(10_000, Math.max(1_000, leastMs / 20))
}
