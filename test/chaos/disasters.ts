/** What befalls a fleet, one thing after the other or together: what and whom is decided by the seed, the time is the real one. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Chance } from '../support/chance.ts'
import { s3Error } from '../support/fault-proxy.ts'
import type { Fleet } from './fleet.ts'
import type { Member } from './member.ts'
import type { TcpProxy } from './tcp-proxy.ts'

/** Does it and makes it good again. Says to whom, and for how long. */
type Disaster = (fleet: Fleet, chance: Chance, signal: AbortSignal) => Promise<string>

const some = <T>(of: readonly T[], chance: Chance): T => of[chance.between(0, of.length - 1)] as T
/** Ends early when all is over: what follows it makes good. */
const wait = (ms: number, signal: AbortSignal): Promise<unknown> => pause(ms, undefined, { signal }).catch(() => {})

async function killed(one: Member, ms: number, signal: AbortSignal): Promise<string> {
  await one.kill()
  await wait(ms, signal)
  one.start()
  return `${one.name}, back after ${ms} ms`
}

async function held(one: TcpProxy, ms: number, signal: AbortSignal): Promise<string> {
  one.hold()
  await wait(ms, signal)
  one.flow()
  return `${ms} ms`
}

async function away(one: TcpProxy, ms: number, signal: AbortSignal): Promise<string> {
  await one.down()
  await wait(ms, signal)
  await one.up()
  return `${ms} ms`
}

export const disasters: Readonly<Record<string, Disaster>> = {
  'worker killed': (fleet, chance, signal) => killed(some(fleet.workers, chance), chance.between(0, 3000), signal),
  'worker stopped, at most for its lease': (fleet, chance, signal) => frozen(fleet, chance, [200, 2500], signal),
  'worker stopped for longer than its lease': (fleet, chance, signal) => frozen(fleet, chance, [3500, 7000], signal),
  async 'worker asked to leave'(fleet, chance, signal) {
    const one = some(fleet.workers, chance)
    await one.leave()
    await wait(chance.between(0, 1000), signal)
    one.start()
    return one.name
  },
  'API killed': ({ api }, chance, signal) => killed(api, chance.between(0, 1500), signal),
  async 'PostgreSQL killed'({ postgres }, chance, signal) {
    const ms = chance.between(200, 4000)
    await postgres.kill('SIGKILL')
    await wait(ms, signal)
    await postgres.start()
    return `${ms} ms`
  },
  async 'connections to PostgreSQL reset'({ toPostgres }) {
    toPostgres.reset()
    return 'all'
  },
  'way to PostgreSQL stands still': ({ toPostgres }, chance, signal) => held(toPostgres, chance.between(500, 5000), signal),
  async 'S3 answers 503'({ toS3 }, chance, signal) {
    const ms = chance.between(500, 5000)
    const own = chance.fork('503')
    toS3.faults = () => (own.happens(0.6) ? { kind: 'answer', status: 503, body: s3Error('SlowDown') } : null)
    await wait(ms, signal)
    toS3.faults = () => null
    return `six of ten, ${ms} ms`
  },
  async 'S3 breaks its answers'({ toS3 }, chance, signal) {
    const ms = chance.between(500, 4000)
    const own = chance.fork('breaks')
    toS3.faults = () => (own.happens(0.4) ? { kind: 'break', after: own.between(0, 5000) } : null)
    await wait(ms, signal)
    toS3.faults = () => null
    return `four of ten, ${ms} ms`
  },
  async 'S3 stands still within its answers'({ toS3 }, chance, signal) {
    const ms = chance.between(500, 3000)
    const own = chance.fork('stalls')
    toS3.faults = () => (own.happens(0.2) ? { kind: 'stall', after: own.between(0, 5000) } : null)
    await wait(ms, signal)
    toS3.faults = () => null
    return `two of ten, ${ms} ms`
  },
  'backend away': ({ toBackends }, chance, signal) => away(some(toBackends, chance), chance.between(200, 5000), signal),
  async 'connections to a backend reset'({ toBackends }, chance) {
    some(toBackends, chance).reset()
    return 'all'
  },
  'backend stands still': ({ toBackends }, chance, signal) => held(some(toBackends, chance), chance.between(500, 4000), signal),
}

async function frozen({ workers }: Fleet, chance: Chance, [least, most]: [number, number], signal: AbortSignal): Promise<string> {
  const ms = chance.between(least, most)
  const one = some(workers, chance)
  one.freeze()
  await wait(ms, signal)
  one.thaw()
  return `${one.name}, ${ms} ms`
}

export interface Befallen {
  readonly at: number
  readonly name: string
  readonly how: string
}

/** Two series of disasters at once, until the signal; of each kind (a worker, the way to PostgreSQL, ...) one at a time. */
export async function befall(fleet: Fleet, chance: Chance, signal: AbortSignal): Promise<Befallen[]> {
  const story: Befallen[] = []
  const under = new Set<string>()
  const from = Date.now()
  const kindOf = (name: string) =>
    name
      .split(' ')
      .slice(0, name.startsWith('way') || name.startsWith('conn') ? 4 : 1)
      .join(' ')

  async function series(own: Chance): Promise<void> {
    while (!signal.aborted) {
      const name = some(Object.keys(disasters), own)
      const disaster = disasters[name]
      if (!disaster || under.has(kindOf(name))) {
        await wait(50, signal)
        continue
      }
      under.add(kindOf(name))
      const at = Date.now() - from
      const how = await disaster(fleet, own, signal)
      under.delete(kindOf(name))
      story.push({ at, name, how })
      await wait(own.between(100, 2000), signal)
    }
  }
  await Promise.all([series(chance.fork('one')), series(chance.fork('two'))])
  return story.toSorted((a, b) => a.at - b.at)
}
