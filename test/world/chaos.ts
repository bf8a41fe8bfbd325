import type { Chance } from '../support/chance.ts'
import { startApi, type SimApi } from './sim-api.ts'
import { startWorker, type SimWorker } from './sim-worker.ts'
import type { World } from './world-parts.ts'

/** The processes of a world, kept in number: who dies is followed by another, a while later. */
export interface Fleet {
  api(): SimApi
  /** null: not there for a while. */
  readonly workers: readonly (SimWorker | null)[]
  /** No accidents any more, and everybody is back soon. */
  heal(): void
  stop(): void
}

export function startFleet(world: World, count: number, chance: Chance): Fleet {
  const { time, story, ledger, database, backends } = world
  let healed = false
  let stopped = false
  let begun = 0
  const workers: (SimWorker | null)[] = Array.from({ length: count }, () => begin())
  let apis = 0
  let api = startApi(world, `a${apis}`)

  function begin(): SimWorker {
    return startWorker(world, `w${begun++}`, count === 1)
  }

  const afterMs = () => (healed ? 100 : chance.between(0, 6000))

  /** Looks after who has died or ended. */
  function tend(): void {
    if (stopped) return
    for (const [i, worker] of workers.entries()) {
      if (!worker || (worker.life.alive && !worker.over)) continue
      if (worker.life.alive) worker.life.crash() // NOTE: it has ended; what it should still be at comes to nothing
      workers[i] = null
      time.at(time.now + afterMs(), () => {
        if (!stopped) workers[i] = begin()
      })
    }
    if (!api.life.alive) api = startApi(world, `a${++apis}`)
    time.at(time.now + 100, tend)
  }
  time.at(0, tend)

  /** Something happens again and again, until the world heals. */
  function every(meanMs: number, happen: () => void): void {
    if (meanMs === Infinity) return
    time.at(time.now - Math.log(1 - chance.next()) * meanMs, () => {
      if (healed) return
      happen()
      every(meanMs, happen)
    })
  }
  const one = () => workers[chance.between(0, workers.length - 1)]
  /** Rather who is at work. */
  const someLife = () => (ledger.busy?.alive && chance.happens(0.6) ? ledger.busy : one()?.life)
  const { everyMs } = world.profile()
  every(everyMs.crash, () => {
    const life = chance.happens(0.15) ? api.life : someLife()
    if (!life) return
    story.tell(life.name, 'CRASHES')
    life.crash()
  })
  every(everyMs.stop, () => one()?.stop())
  every(everyMs.stall, () => {
    const life = someLife()
    const ms = chance.between(200, 9000)
    story.tell(life?.name ?? '', 'STANDS STILL for', ms)
    life?.stall(ms)
  })
  every(everyMs.databaseDown, () => {
    const ms = chance.between(50, chance.pick([500, 6000]))
    story.tell('db', 'IS AWAY for', ms)
    database.goDown(ms)
  })
  every(everyMs.cutOff, () => {
    const life = someLife()
    const ms = chance.between(200, 8000)
    if (!life) return
    story.tell(life.name, 'IS CUT OFF from the database for', ms)
    database.cutOff(life, ms)
    ledger.reach('cut off')
  })
  every(everyMs.databaseJump, () => {
    const ms = chance.between(-8000, chance.pick([2000, 40_000]))
    story.tell('db', 'CLOCK JUMPS by', ms)
    database.jump(ms)
  })
  every(everyMs.wallJump, () => {
    const life = chance.happens(0.3) ? api.life : one()?.life
    const ms = chance.between(-60_000, 60_000)
    story.tell(life?.name ?? '', 'CLOCK JUMPS by', ms)
    life?.jump(ms)
  })
  every(everyMs.backendDown, () => backends[chance.between(0, backends.length - 1)]?.goDown(chance.between(50, 6000)))

  return {
    api: () => api,
    workers,
    heal: () => void (healed = true),
    stop() {
      stopped = true
      for (const worker of workers) worker?.stop()
    },
  }
}
