import type { Chance } from '../support/chance.ts'

/** How much goes wrong in a world, and how often: as shares of the calls, or mean times between two of a kind (Infinity: never). */
export interface Profile {
  /** A process dies at a call, or stands still at it. */
  readonly crash: number
  readonly stall: number
  /** A call is refused; its answer is lost after it was done. */
  readonly refused: number
  readonly lost: number
  /** A put breaks half way; a read does. */
  readonly half: number
  /** Calls take up to so long. */
  readonly slowMs: number
  readonly hintsLost: number
  readonly everyMs: {
    readonly crash: number
    readonly stop: number
    readonly stall: number
    readonly databaseDown: number
    readonly databaseJump: number
    readonly cutOff: number
    readonly wallJump: number
    readonly backendDown: number
  }
  /** What a backend does with a request instead of answering it. */
  readonly backend: {
    readonly busy: number
    readonly unavailable: number
    readonly fails: number
    readonly resets: number
    readonly hangs: number
    readonly late: number
    readonly garbage: number
    readonly ours: number
  }
  /** Lines of a kind that is trouble. */
  readonly lines: { readonly bad: number; readonly slow: number; readonly kills: number }
  readonly clients: {
    readonly cancels: number
    readonly cancelsInTime: number
    readonly shortWindows: number
    readonly meddles: number
    readonly deletes: number
  }
}

/** Each kind of trouble is there in some worlds only: what one kind hides, another world without it shows. */
export function drawProfile(chance: Chance): Profile {
  const steady = chance.happens(0.25)
  const some = (share: number, most: number) => (chance.happens(share) ? most * chance.next() ** 2 : 0)
  const unsteady = (share: number, most: number) => (steady ? 0 : some(share, most))
  const every = (share: number, leastMs: number) => (chance.happens(share) ? leastMs * (1 + 9 * chance.next() ** 2) : Infinity)
  const unsteadily = (share: number, leastMs: number) => (steady ? Infinity : every(share, leastMs))
  return {
    crash: unsteady(0.3, 0.03),
    stall: unsteady(0.35, 0.04),
    refused: unsteady(0.3, 0.1),
    lost: unsteady(0.35, 0.15),
    half: unsteady(0.3, 0.1),
    slowMs: chance.pick([2, 10, 50, 300]),
    hintsLost: some(0.3, 1),
    everyMs: {
      crash: unsteadily(0.25, 2500),
      stop: unsteadily(0.2, 3000),
      stall: unsteadily(0.35, 2500),
      databaseDown: unsteadily(0.25, 4000),
      databaseJump: unsteadily(0.15, 4000),
      cutOff: unsteadily(0.4, 1000),
      wallJump: every(0.15, 3000),
      backendDown: every(0.25, 3000),
    },
    backend: {
      busy: some(0.3, 0.3),
      unavailable: some(0.2, 0.2),
      fails: some(0.3, 0.2),
      resets: some(0.25, 0.1),
      hangs: some(0.15, 0.05),
      late: some(0.2, 0.1),
      garbage: some(0.2, 0.05),
      ours: some(0.25, 0.6),
    },
    lines: { bad: some(0.5, 0.3), slow: chance.pick([0, 0, 0.1, 0.5, 1]), kills: some(0.15, 0.05) },
    clients: {
      cancels: some(0.5, 1),
      cancelsInTime: some(0.4, 1),
      shortWindows: some(0.4, 1),
      meddles: some(0.3, 0.6),
      deletes: some(0.3, 0.8),
    },
  }
}

/** Nothing goes wrong. */
export const calm: Profile = {
  crash: 0,
  stall: 0,
  refused: 0,
  lost: 0,
  half: 0,
  slowMs: 5,
  hintsLost: 0,
  everyMs: {
    crash: Infinity,
    stop: Infinity,
    stall: Infinity,
    databaseDown: Infinity,
    databaseJump: Infinity,
    cutOff: Infinity,
    wallJump: Infinity,
    backendDown: Infinity,
  },
  backend: { busy: 0, unavailable: 0, fails: 0, resets: 0, hangs: 0, late: 0, garbage: 0, ours: 0 },
  lines: { bad: 0, slow: 0, kills: 0 },
  clients: { cancels: 0, cancelsInTime: 0, shortWindows: 0, meddles: 0, deletes: 0 },
}

/** Nothing here keeps a worker that lives from renewing what it holds. */
export const allRenew = ({ stall, refused, lost, everyMs: e }: Profile): boolean =>
  stall + refused + lost === 0 && [e.stall, e.databaseDown, e.databaseJump, e.cutOff].every((ms) => ms === Infinity)

/** Nor does anything end a worker, or break what it saves: no line has a reason to be sent again. */
export const isSteady = (profile: Profile): boolean =>
  allRenew(profile) &&
  profile.crash + profile.half === 0 &&
  profile.everyMs.crash === Infinity &&
  profile.everyMs.stop === Infinity
