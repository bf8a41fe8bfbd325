import type { Worker } from 'node:worker_threads'
import { BlobMissing, NoRoom } from '../../blobs/blobs.ts'
import { BucketDenied, ObjectChanged, ObjectMissing } from '../../blobs/bucket.ts'
import { startThread } from '../../kit/thread.ts'
import type { PlanAnswer } from './plan-thread.ts'
import type { PlanResult, PlanSpec } from './plan-spec.ts'

/** Runs plans off the thread that dispatches; a short one is made within the time that it would take to hand it over. */
export interface Planner extends AsyncDisposable {
  /** @throws what reading the input and writing the plan throw; the signal's reason when it aborts */
  plan(spec: PlanSpec, inputBytes: number, signal: AbortSignal): Promise<PlanResult>
}

interface Waiting {
  readonly spec: PlanSpec
  readonly small: boolean
  readonly heavy: boolean
  readonly signal: AbortSignal
  readonly resolve: (result: PlanResult) => void
  readonly reject: (error: unknown) => void
}
interface Seat {
  readonly smallOnly: boolean
  worker: Worker | null
  busy: Waiting | null
}

/** An idle thread collects no garbage: one that planned a file of this size is ended with what it still holds (measured: 300 MB after 300 MB), and started anew when it is needed. */
const heavyBytes = 64 * 1024 * 1024

export interface PlannerParts {
  readonly threads?: number
  readonly smallBytes?: number
  /** Makes a short plan here and now. */
  readonly planHere: (spec: PlanSpec, signal: AbortSignal) => Promise<PlanResult>
}

/** Two at a time by default, one of them kept for small files: a small batch waits neither for the lines nor for the plan of a big one. */
export function makePlanner({ threads = 2, smallBytes = 8 * 1024 * 1024, planHere }: PlannerParts): Planner {
  const seats: Seat[] = Array.from({ length: threads }, (_, i) => ({
    smallOnly: threads > 1 && i === 0,
    worker: null,
    busy: null,
  }))
  const queue: Waiting[] = []

  function next(): void {
    for (const seat of seats) {
      if (seat.busy) continue
      const at = queue.findIndex((w) => w.small || !seat.smallOnly)
      const waiting = at < 0 ? undefined : queue.splice(at, 1)[0]
      if (!waiting) continue
      start(seat, waiting)
    }
  }

  function start(seat: Seat, waiting: Waiting): void {
    seat.busy = waiting
    seat.worker ??= open(seat)
    seat.worker.ref()
    seat.worker.postMessage(waiting.spec)
  }

  function end(seat: Seat, how: (waiting: Waiting) => void): void {
    const { busy } = seat
    seat.busy = null
    if (busy?.heavy) {
      void seat.worker?.terminate()
      seat.worker = null
    } else seat.worker?.unref()
    if (busy) how(busy)
    next()
  }

  function open(seat: Seat): Worker {
    const worker = startThread('./plan-thread', import.meta.url)
    const gone = (error: unknown) => {
      if (seat.worker !== worker) return
      seat.worker = null
      end(seat, (waiting) => waiting.reject(error))
    }
    worker.on('message', (answer: PlanAnswer) => {
      if (seat.worker !== worker) return
      end(seat, (waiting) => (answer.kind === 'result' ? waiting.resolve(answer.result) : waiting.reject(rebuilt(answer))))
    })
    worker.on('error', (error) => gone(new Error('the planning thread died', { cause: error })))
    worker.on('exit', () => gone(new Error('the planning thread ended')))
    return worker
  }

  /** What the thread half wrote never gets a name; the thread itself is replaced. */
  function abort(waiting: Waiting): void {
    const at = queue.indexOf(waiting)
    if (at >= 0) queue.splice(at, 1)
    waiting.reject(waiting.signal.reason)
    const seat = seats.find((s) => s.busy === waiting)
    if (!seat) return
    const { worker } = seat
    seat.worker = null
    seat.busy = null
    void worker?.terminate()
    next()
  }

  return {
    plan(spec, inputBytes, signal) {
      if (spec.short) return planHere(spec, signal)
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const onAbort = () => abort(waiting)
        const settled =
          <T>(then: (value: T) => void) =>
          (value: T) => (signal.removeEventListener('abort', onAbort), then(value))
        const waiting: Waiting = {
          spec,
          small: inputBytes < smallBytes,
          heavy: inputBytes > heavyBytes,
          signal,
          resolve: settled(resolve),
          reject: settled(reject),
        }
        signal.addEventListener('abort', onAbort, { once: true })
        queue.push(waiting)
        next()
      })
    },
    async [Symbol.asyncDispose]() {
      for (const waiting of queue.splice(0)) waiting.reject(new Error('the planner is closed'))
      await Promise.all(seats.map(async (seat) => seat.worker?.terminate()))
    },
  }
}

function rebuilt({ name, message, right, stack }: Extract<PlanAnswer, { kind: 'error' }>): Error {
  switch (name) {
    case 'ObjectMissing':
      return new ObjectMissing(message)
    case 'ObjectChanged':
      return new ObjectChanged(message)
    case 'BlobMissing':
      return new BlobMissing(message)
    case 'NoRoom':
      return new NoRoom(message)
    case 'BucketDenied':
      return new BucketDenied(right ?? 'read', message)
    default:
      return new Error(message, { cause: stack })
  }
}
