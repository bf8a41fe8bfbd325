import { expect, test } from 'vitest'
import { allMoments, type Moment } from './moments.ts'
import { crashRound } from './round.ts'

/** Two rounds at a time, a few by default; `CRASH_ROUNDS=50 CRASH_SEED=7 npx vitest run test/crash` for as many as it takes. The seed of a round that failed is in its name. */
const rounds = Number(process.env.CRASH_ROUNDS ?? 3)
const seed = Number(process.env.CRASH_SEED ?? Math.floor(Date.now() / 1000))
const hit = new Map<Moment, number>()

test.concurrent.for(Array.from({ length: rounds }, (_, i) => seed + i))(
  '87: killed with SIGKILL and started again, each line is in one result (CRASH_ROUNDS=1 CRASH_SEED=%i)',
  { timeout: 180_000 },
  async (roundSeed, { expect }) => {
    const first = allMoments[roundSeed % allMoments.length] ?? 'half way'
    const moments = await crashRound(roundSeed, first, 4)
    for (const moment of moments) hit.set(moment, (hit.get(moment) ?? 0) + 1)
    expect(moments.length, 'it was killed at all').toBeGreaterThan(0)
  },
)

test.runIf(rounds >= 3 * allMoments.length)('every moment was hit at least once', () => {
  console.log(allMoments.map((moment) => `${moment}: ${hit.get(moment) ?? 0}`).join('\n'))
  expect(allMoments.filter((moment) => !hit.has(moment))).toEqual([])
})
