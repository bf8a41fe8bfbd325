/**
 * The whole service against the bare loop and against the house's numbers. One table, ratios in one run.
 *   npm run bench [-- NAME ...]       all scenarios, or some
 *   npm run bench -- --big [--10gb]   a million lines, and a file of 4 GB or of 10 GB
 */
import { latency } from './latency.ts'
import { bigSizes, sizes } from './sizes.ts'
import { speed } from './speed.ts'
import { removeFiles, row } from './table.ts'

const asked = process.argv.slice(2)
const all = { ...speed, ...latency, ...sizes }
const names = asked.includes('--big')
  ? ['million', asked.includes('--10gb') ? 'gigabytes' : 'fewGigabytes']
  : asked.length > 0
    ? asked
    : Object.keys(all)

row('what', 'measured', 'aim')
try {
  for (const name of names) {
    const scenario = { ...all, ...bigSizes }[name]
    if (!scenario) throw new Error(`no such scenario: ${name}. There are: ${Object.keys({ ...all, ...bigSizes }).join(', ')}`)
    await scenario()
  }
} finally {
  removeFiles()
}
