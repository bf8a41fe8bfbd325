/** What a worker has of a backend's slots, and how many it has lines for. */
export interface SlotClaim {
  readonly owner: string
  readonly granted: number
  readonly wanted: number
}

/**
 * Shares a backend's slots: to each as many as it wants or an equal part, what some leave being shared by the rest (max-min fairness). Slots that cannot be
 * divided stay where most are, so that nobody passes one to and fro.
 */
export function shareOut(ceiling: number, claims: readonly SlotClaim[]): Map<string, number> {
  const order = claims.toSorted((a, b) => b.granted - a.granted || (a.owner < b.owner ? -1 : 1))
  const shares = new Map(order.map(({ owner }) => [owner, 0]))
  const shareOf = ({ owner }: SlotClaim) => shares.get(owner) ?? 0
  let left = ceiling
  for (let open = order.filter(({ wanted }) => wanted > 0); left > 0 && open.length > 0;) {
    const each = Math.max(1, Math.floor(left / open.length))
    for (const claim of open) {
      const more = Math.min(each, left, claim.wanted - shareOf(claim))
      shares.set(claim.owner, shareOf(claim) + more)
      left -= more
    }
    open = open.filter((claim) => shareOf(claim) < claim.wanted)
  }
  return shares
}

/** A worker as it is when it settles its claim: `cap` is what it keeps to, so `inFlight` can only fall to it. */
export interface SlotUse {
  readonly owner: string
  readonly cap: number
  readonly inFlight: number
  readonly wanted: number
}

export interface Settled {
  /** What its row says: never less than what it may have open. */
  readonly granted: number
  /** What it keeps to from now on: with flights above it, the row follows when they have ended. */
  readonly cap: number
}

/** `others`: the claims of the rest, as they are; of a claim that has lapsed over open calls they may have taken the room. With each settling by this in turn, the sum of what is granted never passes the ceiling. */
export function settle(ceiling: number, { owner, cap, inFlight, wanted }: SlotUse, others: readonly SlotClaim[]): Settled {
  const held = Math.max(cap, inFlight)
  const share = shareOut(ceiling, [...others, { owner, granted: held, wanted }]).get(owner) ?? 0
  const free = ceiling - others.reduce((sum, { granted }) => sum + granted, 0)
  const granted = share >= held ? Math.max(held, Math.min(share, free)) : held
  return { granted, cap: Math.min(share, granted, Math.max(0, free)) }
}
