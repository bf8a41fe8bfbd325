/** A lane that could take a line. */
export interface Room {
  readonly weight: number
  /** How many more it could take now, from 1. */
  readonly free: number
  /** Lines that it is owed, below zero those that it had too early. Sums to zero over all. */
  readonly credit: number
}

export interface Given {
  /** Whose the line is. */
  readonly index: number
  /** Of each room, when it has taken the line. */
  readonly credits: readonly number[]
}

/**
 * Gives a line to one of several rooms, so that over time each gets lines in proportion to its weight times what is free: each is owed its part of the line, and
 * who is owed most takes it (nginx calls this smooth weighted round-robin). Unlike a draw it is even over a few lines too.
 */
export function giveLine(rooms: readonly Room[]): Given {
  const all = rooms.reduce((sum, { weight, free }) => sum + weight * free, 0)
  const owed = rooms.map(({ weight, free, credit }) => credit + (weight * free) / all)
  const index = owed.reduce((best, credit, i) => (credit > (owed[best] ?? 0) ? i : best), 0)
  return { index, credits: owed.map((credit, i) => (i === index ? credit - 1 : credit)) }
}
