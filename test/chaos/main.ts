/**
 * The real thing: an API and four workers as processes, PostgreSQL, an S3 server and two backends, with all that can befall them.
 *   npm run chaos -- [--minutes 3] [--seed S]
 * Prints a table; ends with 1 if a line was lost or doubled, a batch does not end, or something is left over.
 */
import { parseArgs } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { chanceFrom } from '../support/chance.ts'
import { leftBehind } from './aftermath.ts'
import { haveRun, type Run } from './customers.ts'
import { befall, disasters, type Befallen } from './disasters.ts'
import { openFleet, type Fleet } from './fleet.ts'

const customers = 6
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '3' }, seed: { type: 'string' } } })
const minutes = Number(values.minutes)
const seed = Number(values.seed ?? Date.now() % 100_000)
if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error('usage: chaos [--minutes N] [--seed WHOLE NUMBER]')

const fleet = await openFleet(4)
const chance = chanceFrom(seed)
const runs: Run[] = []
const over = new AbortController()
let story: Befallen[] = []
let wrong: unknown
try {
  const running = Promise.all(
    Array.from({ length: customers }, (_, i) =>
      haveRun(fleet, chance.fork(`customer ${i}`), over.signal, (run) => runs.push(run)),
    ),
  )
  const befalling = befall(fleet, chance.fork('disasters'), over.signal).then((all) => (story = all))
  await Promise.race([pause(minutes * 60_000), running]).finally(() => over.abort())
  await befalling
  await running
  const left = await leftBehind(fleet, runs)
  if (left.length > 0) throw new Error(`left behind: ${left.join('; ')}`)
  for (const { name, fell } of [fleet.api, ...fleet.workers]) if (fell) throw new Error(`${name}: ${fell}`)
} catch (error) {
  wrong = error
}
await tell(fleet)
await fleet.end(wrong !== undefined)
if (wrong !== undefined) {
  console.error(story.map(({ at, name, how }) => `${(at / 1000).toFixed(1)} s  ${name}: ${how}`).join('\n'))
  console.error(`seed ${seed}; the logs are in ${fleet.folder}`)
  console.error(wrong) // NOTE: last, where whoever reads the end of a long output finds it
  process.exit(1)
}

async function tell({ backends, api, workers, toBackends, toPostgres }: Fleet): Promise<void> {
  const count = (is: (run: Run) => boolean) => runs.filter(is).length
  const sum = (of: (run: Run) => number) => runs.reduce((n, run) => n + of(run), 0)
  const lines = sum(({ lines: { customIds } }) => customIds.length)
  const sent = (await Promise.all(backends.map((one) => one.seen('')))).reduce((n, { requests }) => n + requests, 0)
  const rows: [string, string | number][] = [
    ...Object.keys(disasters).map((name): [string, number] => [name, story.filter((one) => one.name === name).length]),
    ['connections broken (PostgreSQL; backends)', `${toPostgres.broken}; ${toBackends.reduce((n, { broken }) => n + broken, 0)}`],
    [
      'batches; by upload, by object',
      `${runs.length}; ${count((r) => r.from === 'an upload')}, ${count((r) => r.from === 'an object')}`,
    ],
    ['completed; cancelled', `${count((r) => r.ended.status === 'completed')}; ${count((r) => r.ended.status === 'cancelled')}`],
    ['lines; requests to the backends', `${lines}; ${sent}`],
    ['lines that gave up after their attempts', sum((r) => r.gaveUp)],
    [
      'processes that found no database at their start, and were started again',
      [api, ...workers].reduce((n, one) => n + one.startedAgain, 0),
    ],
    ['lines lost or doubled; left behind', wrong === undefined ? '0; nothing' : 'see below'],
    [
      'most memory of a worker; of the API',
      `${Math.round(Math.max(...workers.map((w) => w.peakBytes())) / 1e6)} MB; ${Math.round(api.peakBytes() / 1e6)} MB`,
    ],
  ]
  console.log(`chaos, ${minutes} minutes, seed ${seed}`)
  for (const [what, much] of rows) console.log(`| ${what} | ${much} |`)
}
