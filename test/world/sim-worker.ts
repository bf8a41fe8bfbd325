import { makeDispatcher } from '../../src/dispatch/dispatcher.ts'
import { makeHash } from '../../src/domain/custom-id-hash.ts'
import { makeUuids } from '../../src/domain/ids.ts'
import { runEngine } from '../../src/engine.ts'
import { takeOver } from '../../src/store/walks.ts'
import { planFile } from '../../src/worker/plan/plan.ts'
import type { Planner } from '../../src/worker/plan/planner.ts'
import { noPrices } from '../support/one.ts'
import { checkCalls, checkLeaving } from './check-sending.ts'
import type { Life } from './life.ts'
import { makeTransport } from './sim-wire.ts'
import { beginProcess, type Process, type World } from './world-parts.ts'

export interface SimWorker {
  readonly life: Life
  /** As SIGTERM does. */
  stop(): void
  /** It was stopped, and has ended by itself. */
  readonly over: boolean
}

/** Starts a worker: a whole one, of the same parts as in service, but for what it is given. `alone`: it takes over what any other has held. */
export function startWorker(world: World, name: string, alone: boolean): SimWorker {
  const process = beginProcess(world, name)
  const { life, db, clock, random, randomBytes, events } = process
  const { time, ledger, story, bug } = world
  const sending = { world, who: name }
  const stopping = new AbortController()
  let over = false
  const transport = makeTransport({
    time,
    life,
    story,
    ledger,
    backends: world.backends,
    firstByteMs: world.dispatch.firstByteTimeoutMs,
    leaving: (key) => checkLeaving(key, sending),
    left: (backend, open) => checkCalls(backend, open, sending),
  })
  const dispatcher = makeDispatcher({
    settings: world.dispatch,
    clock,
    random,
    events,
    transport: bug?.transport?.(transport) ?? transport,
  })
  dispatcher.onModels(() => db.hint('run'))
  const place = { kind: 'folder' as const, folder: '/' }
  const parts = {
    ...process,
    filesPlace: place,
    scratchPlace: place,
    dispatcher,
    planner: plannerOf(process),
    owner: makeUuids(() => clock.now(), randomBytes)(),
    settings: world.workers,
    prices: noPrices,
  }

  async function live(): Promise<void> {
    if (alone) await patiently(() => takeOver(db))
    await runEngine({ parts, dispatcher }, stopping.signal)
    over = true
    story.tell(name, 'has ended')
  }

  async function patiently(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work()
      } catch {
        await clock.sleep(500)
      }
    }
  }

  story.tell(name, 'BEGINS', parts.owner)
  void live()
  return {
    life,
    stop() {
      story.tell(name, 'IS STOPPED')
      life.deliver(() => stopping.abort())
    },
    get over() {
      return over
    },
  }
}

/** Plans within the process. An abort ends a plan where it is, as it ends the thread of one in service. */
function plannerOf({ files, scratch, openBucket, randomBytes }: Process): Planner {
  const seeds = Buffer.from(randomBytes(8))
  const hash = makeHash(seeds.readInt32LE(0), seeds.readInt32LE(4))
  return {
    plan: (spec, _, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        const { input } = spec
        const read = (s: AbortSignal) =>
          input.kind === 'blob'
            ? files.read(input.name, undefined, s)
            : openBucket(input.place, input.bucket).read(input.key, input.seen, undefined, s)
        planFile({ read, target: scratch, hash }, spec, signal).then(resolve, reject)
      }),
    async [Symbol.asyncDispose]() {},
  }
}
