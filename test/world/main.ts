/** `npm run simulate-world -- --seeds 10000`: worlds, one a seed; `--seed S` tells the story of one; `--bug NAME` plants a bug; `--bugs` plants each in turn. */
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { bugs, type Bug } from './bugs.ts'
import { live } from './world.ts'

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    bug: { type: 'string' },
    bugs: { type: 'boolean', default: false },
    processes: { type: 'string', default: String(Math.min(8, availableParallelism())) },
    part: { type: 'string' },
  },
})

/** What a part of the worlds came to, told to the process that started it. */
interface Told {
  readonly worlds: number
  readonly failed: readonly { readonly seed: number; readonly wrong: string }[]
}

const from = Number(flags.from)
const end = from + Number(flags.seeds)
const processes = Number(flags.processes)
const failuresAtMost = 5
const bug = flags.bug === undefined ? null : bugNamed(flags.bug)

function bugNamed(name: string): Bug {
  const found = bugs.find((b) => b.name === name)
  if (!found) throw new Error(`no bug is named '${name}'. There are:\n${bugs.map((b) => `  ${b.name}`).join('\n')}`)
  return found
}

async function tellOne(seed: number): Promise<boolean> {
  const { wrongs, story } = await live(seed, bug)
  console.log(story.lines().join('\n'))
  console.log(`world ${seed}: ${wrongs.length === 0 ? 'everything held' : wrongs.join('\n')} (story ${story.hash()})`)
  return wrongs.length === 0
}

/** Starts this program once a process, each for its part; gives what they tell at their end. */
function inParts(): Promise<Told[]> {
  const parts = Array.from({ length: processes }, (_, part) => {
    const child = fork(import.meta.filename, [...process.argv.slice(2), '--part', String(part)])
    return new Promise<Told>((resolve, reject) => {
      child.once('message', (told) => resolve(told as Told))
      child.once('exit', (code) => reject(new Error(`a process of worlds ended with ${code}`)))
    })
  })
  return Promise.all(parts)
}

async function livePart(part: number): Promise<Told> {
  const failed: { seed: number; wrong: string }[] = []
  let worlds = 0
  for (let seed = from + part; seed < end && failed.length < failuresAtMost; seed += processes) {
    const [wrong] = (await live(seed, bug)).wrongs
    worlds++
    if (wrong !== undefined) failed.push({ seed, wrong })
  }
  return { worlds, failed }
}

async function plantPart(part: number): Promise<Told> {
  const failed: { seed: number; wrong: string }[] = []
  let worlds = 0
  for (const planted of bugs.filter((_, i) => i % processes === part)) {
    let found: string | undefined
    let seeds = 0
    for (; found === undefined && from + seeds < end; seeds++) [found] = (await live(from + seeds, planted)).wrongs
    worlds += seeds
    if (found === undefined) failed.push({ seed: end, wrong: `no world has found '${planted.name}'` })
    console.log(`${planted.name.padEnd(46)} ${found === undefined ? 'never' : String(seeds).padStart(5)}  ${found ?? ''}`)
  }
  return { worlds, failed }
}

async function liveAll(): Promise<boolean> {
  const begun = performance.now()
  const told = await inParts()
  const worlds = told.reduce((n, t) => n + t.worlds, 0)
  const seconds = (performance.now() - begun) / 1000
  const failed = told.flatMap((t) => t.failed).toSorted((a, b) => a.seed - b.seed)
  const [first] = failed
  if (first && !flags.bugs) await tellOne(first.seed)
  const planted = flags.bug === undefined ? '' : ` --bug '${flags.bug}'`
  for (const { seed, wrong } of failed)
    console.log(flags.bugs ? wrong : `FAILED: npm run simulate-world -- --seed ${seed}${planted}\n  ${wrong}`)
  console.log(`${worlds} worlds in ${seconds.toFixed(1)} s: ${(worlds / seconds).toFixed(1)} a second, in ${processes} processes`)
  return failed.length === 0
}

if (flags.part === undefined) {
  const held = flags.seed === undefined ? await liveAll() : await tellOne(Number(flags.seed))
  process.exitCode = held ? 0 : 1
} else process.send?.(await (flags.bugs ? plantPart : livePart)(Number(flags.part)))
