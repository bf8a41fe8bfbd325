import { describe, expect, onTestFinished, test } from 'vitest'
import { openLife, type BatchLife } from '../../../test/support/batch-life.ts'
import { project } from '../../../test/support/batch-rows.ts'
import { chanceFrom, type Chance } from '../../../test/support/chance.ts'
import { databases, type OpenDb } from '../../../test/support/databases.ts'
import { formatCursor, openAtMost, parseCursor } from '../../domain/result-cursor.ts'
import { findFile } from '../../store/files.ts'
import { findStanding } from '../../store/result-rows.ts'
import { isFileId } from '../../domain/ids.ts'
import { nextPage, positionIn, type ResultPage } from './result-pages.ts'
import { openShelf } from './result-shelf.ts'

/** `RESULT_SEEDS=500 npx vitest run src/api/batches/results.db.test.ts` for as many as it takes. */
const seeds = Number(process.env.RESULT_SEEDS ?? 25)

/** A reader who keeps nothing but its lines and the text that the last page gave. */
interface Reader {
  after: string | undefined
  text: string
  incomplete: boolean
  /** How often it reads. */
  readonly share: number
}
const newReader = (share: number): Reader => ({ after: undefined, text: '', incomplete: true, share })

async function openPage(life: BatchLife, { after }: Reader, budget: number): Promise<ResultPage> {
  const open = async () => {
    const shelf = await openShelf(life.api, project, life.id)
    if (!shelf) throw new Error('no such batch')
    return shelf
  }
  return nextPage(open, (shelf) => positionIn(shelf, life.id, after), budget)
}

/** A page from its first byte to its last, with something done between the chunks. */
async function readPage(life: BatchLife, reader: Reader, budget: number, meanwhile = async () => {}): Promise<number> {
  const page = await openPage(life, reader, budget)
  await meanwhile()
  let text = ''
  for await (const chunk of page.read()) {
    text += chunk.toString()
    await meanwhile()
  }
  expect(text === '' || text.endsWith('\n'), 'whole lines').toBe(true)
  expect(text.length).toBe(page.bytes)
  reader.text += text
  reader.after = formatCursor(page.cursor, life.id)
  reader.incomplete = page.incomplete
  expect(parseCursor(reader.after, life.id)).toEqual(page.cursor)
  expect(page.cursor.open.length).toBeLessThanOrEqual(openAtMost)
  return page.bytes
}

const sorted = (text: string) => text.split('\n').toSorted()

async function filesOf({ api, id }: BatchLife): Promise<string> {
  const standing = await findStanding(api.db, project, id)
  let text = ''
  for (const file of [standing?.outputFileId ?? '', standing?.errorFileId ?? '']) {
    const row = isFileId(file) ? await findFile(api.db, project, file) : null
    if (row) text += (await api.files.readRange({ name: row.blob, start: 0, bytes: row.bytes })).toString()
  }
  return text
}

async function open(openDb: OpenDb, shardLines: readonly number[]): Promise<BatchLife> {
  const db = await openDb()
  const life = await openLife(db, shardLines)
  onTestFinished(async () => {
    await db[Symbol.asyncDispose]()
    await life[Symbol.asyncDispose]()
  })
  return life
}

/** All of its lines have a result, and nobody has composed it yet. */
async function run(openDb: OpenDb, shardLines: readonly number[]): Promise<BatchLife> {
  const life = await open(openDb, shardLines)
  for (const chance = chanceFrom(1); await life.step(chance););
  return life
}

/** One life of a batch, by chance, with readers who begin at any time and read pages of any size, at any moment, some of them in the midst of something else. */
async function liveAndRead(openDb: OpenDb, chance: Chance): Promise<void> {
  const shards = chance.pick([1, 4, 12, 300])
  const most = shards > 100 ? 3 : 30
  const life = await open(
    openDb,
    Array.from({ length: shards }, () => chance.between(1, most)),
  )
  const readers = [newReader(0.2)]
  const budget = () => chance.pick([1, 50, 400, 5000, 1_000_000])
  let stepsLeft = Math.floor(shards * most * chance.pick([0.1, 0.6, 2]))
  let linesLeft = true
  let ended = false

  /** Runs on; when it has run to its end, or for as long as it may, ends it: composed, published and swept. */
  async function move(): Promise<void> {
    if (ended) return
    if (linesLeft && stepsLeft-- > 0) {
      linesLeft = await life.step(chance)
      return
    }
    ended = true
    if (linesLeft) await life.cancel()
    await life.compose()
    await life.sweep()
  }

  while (!ended) {
    await move()
    if (readers.length < 4 && chance.happens(0.05)) readers.push(newReader(chance.pick([0.01, 0.05, 0.2])))
    for (const reader of readers) {
      if (!chance.happens(reader.share)) continue
      if (chance.happens(0.1)) {
        const given = await openPage(life, reader, budget()) // NOTE: its answer is lost: it asks for the same again
        for await (const _ of given.read()) break
      } else await readPage(life, reader, budget(), chance.happens(0.3) ? move : undefined)
    }
  }
  const files = sorted(await filesOf(life))
  for (const reader of readers) {
    for (let pages = 0; reader.incomplete; pages++) {
      expect(pages, 'it ends').toBeLessThan(5000)
      expect((await readPage(life, reader, budget())) > 0 || !reader.incomplete, 'no empty page but the last').toBe(true)
    }
    expect(sorted(reader.text)).toEqual(files)
  }
}

describe.each(Object.entries(databases))('%s', (name, openDb) => {
  test.each(Array.from({ length: name === 'sqlite' ? seeds : Math.ceil(seeds / 3) }, (_, i) => i + 1))(
    'readers get each line once, whoever holds, finishes, loses, composes, publishes and sweeps meanwhile (seed %i)',
    (seed) => liveAndRead(openDb, chanceFrom(seed)),
  )

  test('a page has at least a line and stops at the end of one; what is asked for twice is given twice', async () => {
    const life = await run(openDb, [40])
    const reader = newReader(1)
    expect(await readPage(life, reader, 1)).toBe(reader.text.length)
    expect(reader.text.split('\n')).toHaveLength(2)
    const { after } = reader
    const bytes = await readPage(life, reader, 500)
    expect(bytes).toBeGreaterThanOrEqual(500)
    expect(bytes).toBeLessThan(500 + 80)
    const again = { ...newReader(1), after }
    await readPage(life, again, 500)
    expect(reader.text.endsWith(again.text)).toBe(true)
  })

  test('a shard that stands still holds up none of the others', async () => {
    const life = await open(openDb, [1, ...Array.from({ length: 400 }, () => 1)])
    await life.finishAllBut(0)
    const reader = newReader(1)
    for (let pages = 0; pages < 10; pages++) await readPage(life, reader, 1_000_000)
    expect(reader.text.trimEnd().split('\n')).toHaveLength(400)
    expect(reader.incomplete).toBe(true)
  })

  test('a batch that a program of before ended is read from its files; a position from before its end is refused, and says why', async () => {
    const life = await run(openDb, [10, 10])
    const begun = newReader(1)
    await readPage(life, begun, 1)
    await life.compose()
    await life.api.db.query(`update batches set layout = null where id = $1`, [life.id])
    await expect(readPage(life, begun, 100)).rejects.toThrow(/older version/)
    const reader = newReader(1)
    while (reader.incomplete) await readPage(life, reader, 200)
    expect(sorted(reader.text)).toEqual(sorted(await filesOf(life)))
  })

  test('who has read nothing before the end begins at the beginning behind it', async () => {
    const life = await open(openDb, [10])
    const reader = newReader(1)
    expect(await readPage(life, reader, 1000)).toBe(0)
    await life.cancel()
    await life.compose()
    while (reader.incomplete) await readPage(life, reader, 1000)
    expect(reader.text.trimEnd().split('\n')).toHaveLength(10)
  })
})
