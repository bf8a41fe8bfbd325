import { expect, test } from 'vitest'
import { bugs } from './bugs.ts'
import { live } from './world.ts'

/** A few hundred worlds by default; `WORLDS=2000 WORLD_SEED=7 npx vitest run test/world` for as many as it takes. `npm run simulate-world` is quicker, and tells stories. */
const worlds = Number(process.env.WORLDS ?? 200)
const first = Number(process.env.WORLD_SEED ?? 1)
const atOnce = 50

test.each(Array.from({ length: Math.ceil(worlds / atOnce) }, (_, i) => first + i * atOnce))(
  'whatever befalls a world, everything holds (from seed %i)',
  { timeout: 120_000 },
  async (seed) => {
    const wrongs: string[] = []
    for (let s = seed; s < Math.min(seed + atOnce, first + worlds); s++)
      for (const wrong of (await live(s)).wrongs) wrongs.push(`npm run simulate-world -- --seed ${s}: ${wrong}`)
    expect(wrongs).toEqual([])
  },
)

test('a seed replays exactly: the same story, word for word', async () => {
  for (let seed = first; seed < first + 5; seed++)
    expect((await live(seed)).story.lines()).toEqual((await live(seed)).story.lines())
})

/** A search from 1 on takes long for some: it begins where the last one ended, and goes a little on, for what a change of the code moves. */
const seedsAtMost = 300

test.each(bugs)('it is found: $name', { timeout: 300_000 }, async (bug) => {
  const found: string[] = []
  for (let seed = bug.foundAt; found.length === 0 && seed < bug.foundAt + seedsAtMost; seed++)
    found.push(...(await live(seed, bug)).wrongs)
  expect(found[0] ?? 'found nothing').toContain(`${bug.breaks}: `)
})
