/**
 * The whole service against the bare loop and against the house's numbers. One table, ratios in one run.
 *   npm run bench [-- NAME ...]       all scenarios, or some
 *   npm run bench -- --big [--10gb]   a million lines, and a file of 4 GB or of 10 GB
 *   npm run bench -- --fleet [--big]  many workers, batches and projects on PostgreSQL; a million lines from S3 to S3, 100,000 batches
 */
import { audioScenarios } from './audio.ts'
import { checkScenarios } from './checks.ts'
import { latency } from './latency.ts'
import { bigMany, many } from './many.ts'
import { idleScenarios } from './idle.ts'
import { shareScenarios } from './shares.ts'
import { bigSizes, sizes } from './sizes.ts'
import { speed } from './speed.ts'
import { removeFiles, row } from './table.ts'
import { timingScenarios } from './timing.ts'

const asked = process.argv.slice(2)
const all = { ...speed, ...latency, ...sizes, ...audioScenarios, ...shareScenarios, ...timingScenarios }
const onDemand = { ...many, ...checkScenarios, ...idleScenarios, ...bigSizes, ...bigMany }
const names = asked.includes('--fleet')
  ? Object.keys(asked.includes('--big') ? bigMany : many)
  : asked.includes('--big')
    ? ['million', asked.includes('--10gb') ? 'gigabytes' : 'fewGigabytes']
    : asked.length > 0
      ? asked
      : Object.keys(all)

row('what', 'measured', 'aim')
try {
  for (const name of names) {
    const scenario = { ...all, ...onDemand }[name]
    if (!scenario) throw new Error(`no such scenario: ${name}. There are: ${Object.keys({ ...all, ...onDemand }).join(', ')}`)
    await scenario()
  }
} finally {
  removeFiles()
}
