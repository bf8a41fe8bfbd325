import { abortUnder } from '../kit/abort.ts'

/** Does something with each, so many at once. The first failure ends all, and nothing is still at it when this is over. */
export async function inTurns<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const turns = abortUnder(signal)
  const rest = items.values()
  const one = async (): Promise<void> => {
    for (const item of rest) {
      if (turns.signal.aborted) return
      await work(item, turns.signal).catch((error: unknown) => turns.abort(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, one))
  turns.leave()
  turns.signal.throwIfAborted()
}

export function* partsOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}
