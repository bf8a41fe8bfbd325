import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openLocalApi } from '../../src/api/admin/local.ts'
import { parsePriceEntry, priceList } from '../../src/config/prices.ts'
import { dateOf, dayOf, startOfDay } from '../../src/domain/day.ts'
import type { KeyId, ProjectId } from '../../src/domain/ids.ts'
import { insertProject } from '../../src/store/projects.ts'
import { chanceFrom } from '../support/chance.ts'
import { databases } from '../support/databases.ts'
import { handClock } from '../support/hand-clock.ts'
import { cuts } from './cut-off.ts'
import { openLoad, type Ended, type Order } from './load.ts'

const firstDay = dayOf(Date.UTC(2026, 10, 1))
const days = 30
const percent = 50
/** In units of the currency; a day in the middle of the month changes them. */
const prices = [
  { model: 'small', from: '2026-01-01', input: 0.15, cached: 0.075, output: 0.6, minute: 0 },
  { model: 'small', from: '2026-11-16', input: 0.2, cached: 0.02, output: 0.9, minute: 0 },
  { model: '*', from: '2026-01-01', input: 1, cached: 1, output: 3, minute: 0.006 },
  { model: '*', from: '2026-11-16', input: 1.25, cached: 0.5, output: 3.5, minute: 0.0075 },
]
type Kind = readonly [endpoint: string, model: string]
const kinds: readonly [Kind, ...Kind[]] = [
  ['/v1/chat/completions', 'small'],
  ['/v1/chat/completions', 'big'],
  ['/v1/embeddings', 'vectors'],
  ['/v1/audio/transcriptions', 'speech'],
]
const projects = ['research', 'support', 'sales'] as const

interface Counts {
  completed: number
  failed: number
  input: number
  cached: number
  output: number
  total: number
  milliseconds: number
}

/** What stands in result files, read without anything of ours. */
function countsIn(files: string): Counts {
  const counts = { completed: 0, failed: 0, input: 0, cached: 0, output: 0, total: 0, milliseconds: 0 }
  for (const line of files.split('\n').filter((text) => text !== '')) {
    const { response, error } = JSON.parse(line) as {
      response: {
        status_code: number
        body: { usage?: Record<string, number> & { prompt_tokens_details?: { cached_tokens: number } } }
      } | null
      error: { code: string } | null
    }
    if (response?.status_code === 200) counts.completed++
    else if (error === null || !/^batch_(cancelled|expired)$/.test(error.code)) counts.failed++
    const {
      prompt_tokens = 0,
      completion_tokens = 0,
      total_tokens = 0,
      seconds = 0,
      prompt_tokens_details,
    } = response?.body.usage ?? {}
    counts.input += prompt_tokens
    counts.cached += prompt_tokens_details?.cached_tokens ?? 0
    counts.output += completion_tokens
    counts.total += total_tokens
    counts.milliseconds += Math.round(seconds * 1000)
  }
  return counts
}

function costOf(date: string, model: string, { input, cached, output, milliseconds }: Counts): number {
  const held = (name: string) => prices.filter((one) => one.model === name && one.from <= date).at(-1)
  const price = held(model) ?? held('*')
  if (!price) throw new Error(`no price of ${model}`)
  const tokens = ((input - cached) * price.input + cached * price.cached + output * price.output) / 1e6
  return ((tokens + (milliseconds / 60_000) * price.minute) * percent) / 100
}

const namesOf = ({ day, projectId, keyId, model, endpoint }: Ended): Readonly<Record<string, string>> => ({
  date: dateOf(day),
  project_id: projectId,
  api_key_id: keyId,
  model,
  endpoint,
})

/** As the API tells it, from what the files say. */
function rowsOf(ended: readonly Ended[], by: readonly string[]): object[] {
  const groups = new Map<string, Ended[]>()
  for (const one of ended) {
    const name = JSON.stringify(by.map((key) => namesOf(one)[key]))
    groups.set(name, [...(groups.get(name) ?? []), one])
  }
  return [...groups.values()].map((of) => {
    const counts = of.map(({ files }) => countsIn(files))
    const sum = (count: keyof Counts) => counts.reduce((n, one) => n + one[count], 0)
    const cost = of.reduce((n, one) => n + costOf(dateOf(one.day), one.model, countsIn(one.files)), 0)
    const at = Object.fromEntries(by.map((key) => [key, of[0] && namesOf(of[0])[key]]))
    return {
      object: 'usage',
      ...at,
      ...(at.project_id !== undefined && { project_name: at.project_id }),
      batches: of.length,
      requests: { completed: sum('completed'), failed: sum('failed') },
      input_tokens: sum('input'),
      input_cached_tokens: sum('cached'),
      output_tokens: sum('output'),
      total_tokens: sum('total'),
      seconds: sum('milliseconds') / 1000,
      cost: { value: expect.closeTo(cost, 7) as number, currency: 'eur' },
    }
  })
}

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  test('sums over a month are those of the result files, to the token, and so is what they cost, whatever was killed', async () => {
    const chance = chanceFrom(7)
    const clock = handClock(startOfDay(firstDay))
    const db = await openDb(clock)
    onTestFinished(() => db[Symbol.asyncDispose]())
    for (const name of projects)
      await insertProject(db, { id: name as ProjectId, name, isDefault: false, createdAt: clock.now() })
    await using load = await openLoad(db, clock, chance)
    const ended: Ended[] = []
    for (let last = startOfDay(firstDay + days - 2); clock.now() < last;) {
      const [endpoint, model] = chance.pick(kinds)
      const projectId = chance.pick(projects) as ProjectId
      const keyId = `key-${projectId}-${chance.between(1, 2)}` as KeyId
      for (let several = chance.between(1, 4); several > 0; several--) {
        const end: Order['end'] = chance.happens(0.8) ? 'completed' : chance.pick(['cancelled', 'cancelled', 'expired'])
        const suffered = chance.happens(0.5) ? [chance.pick(cuts), chance.pick(cuts)] : []
        ended.push(await load.run({ projectId, keyId, endpoint, model, end, cuts: suffered }))
      }
    }
    expect(load.killed).toBeGreaterThan(10)
    for (const end of ['completed', 'cancelled', 'expired']) expect(ended.map((one) => one.end)).toContain(end)
    for (const cut of cuts) expect(ended.flatMap((one) => one.cuts.slice(0, 1))).toContain(cut)

    const list = priceList({ currency: 'EUR', batchPercent: percent, prices: prices.map((one) => parsePriceEntry(one, 'here')) })
    const made = { newUuid: () => '', randomBytes, folder: '', prices: list, auditMs: 0 }
    await using api = await openLocalApi({ db, clock, ...made }, 'a test')
    const from = dateOf(firstDay)
    const inOrder = (rows: readonly object[], by: readonly string[]) => {
      const name = (row: object) => JSON.stringify(by.map((key) => (row as Record<string, unknown>)[key]))
      return rows.toSorted((a, b) => (name(a) < name(b) ? -1 : 1))
    }
    for (const group of ['date,project_id,api_key_id,model,endpoint', 'date,project_id', 'api_key_id,model', 'endpoint', '']) {
      const by = group.split(',').filter((name) => name !== '')
      const told = await api.fetch(`http://localhost/v1/admin/usage?start=${from}&group_by=${group}`)
      const { data } = (await told.json()) as { data: object[] }
      expect(inOrder(data, by), `by ${group}`).toEqual(inOrder(rowsOf(ended, by), by))
    }
  }, 180_000)
})
