import type { Clock } from '../../src/kit/clock.ts'
import type { SimTime } from './sim-time.ts'

export const worldBegan = 1_763_800_000_000

/** One process of the world. Everything that reaches it goes through `deliver`: nothing does once it has crashed, and while it stands still, it waits. */
export interface Life {
  readonly name: string
  readonly alive: boolean
  readonly stalled: boolean
  readonly clock: Clock
  deliver(run: () => void): void
  /** From now on nothing that it awaits comes back. */
  crash(): void
  onCrash(heard: () => void): void
  /** Stands still: its clocks go on, it does not. */
  stall(ms: number): void
  /** Its wall clock, and no other, is set by so much. */
  jump(ms: number): void
}

export function beginLife(name: string, time: SimTime): Life {
  let alive = true
  let resumeAt = 0
  let offset = 0
  const heard: (() => void)[] = []

  function deliver(run: () => void): void {
    if (!alive) return
    if (time.now < resumeAt) time.at(resumeAt, () => deliver(run))
    else run()
  }

  return {
    name,
    get alive() {
      return alive
    },
    get stalled() {
      return time.now < resumeAt
    },
    clock: {
      now: () => Math.floor(worldBegan + time.now + offset),
      monotonic: () => time.now,
      sleep: (ms, signal) => time.sleep(ms, signal, deliver),
    },
    deliver,
    crash() {
      alive = false
      for (const tell of heard.splice(0)) tell()
    },
    onCrash: (tell) => void heard.push(tell),
    stall(ms) {
      resumeAt = Math.max(resumeAt, time.now + ms)
    },
    jump(ms) {
      offset += ms
    },
  }
}
