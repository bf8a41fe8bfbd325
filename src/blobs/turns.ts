import { abortUnder } from '../kit/abort.ts'

/** Does something with each, so many at once. The first failure ends all, and nothing is still at it when this is over. */
export async function inTurns<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const all = abortUnder(signal)
  const rest = items.values()
  const one = async (): Promise<void> => {
    for (const item of rest) {
      if (all.signal.aborted) return
      await work(item, all.signal).catch((error: unknown) => all.abort(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, one))
  all.leave()
  all.signal.throwIfAborted()
}

export function* partsOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}
