/** So many of each in a second, evenly and as they come: who waits for an answer keeps nobody else from asking. How long it took to ask them all, ms. */
export async function asTheyCome(
  seconds: number,
  asks: readonly { readonly aSecond: number; readonly ask: () => Promise<unknown> }[],
): Promise<number> {
  const asked: Promise<unknown>[] = []
  const from = performance.now()
  for (let tick = 0; tick < seconds * 100; tick++) {
    for (const { aSecond, ask } of asks) for (let i = 0; i < aSecond / 100; i++) asked.push(ask())
    const early = from + (tick + 1) * 10 - performance.now()
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, early)))
  }
  const tookMs = performance.now() - from
  await Promise.all(asked)
  return tookMs
}
