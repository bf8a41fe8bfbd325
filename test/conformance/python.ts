import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export const whyNoPython =
  'Set NIGHTSHIFT_PYTHON to a Python that has the package openai, or run test/conformance/python/setup.sh, which makes one under .cache/.'

/** A Python that has the official client: of the environment, or the one that setup.sh made; null when there is none. */
export function findPython(): string | null {
  const named = process.env.NIGHTSHIFT_PYTHON
  const python = named ?? join(root, '.cache/python/bin/python')
  if (named === undefined && !existsSync(python)) return null
  execFileSync(python, ['-c', 'import openai'], { stdio: 'inherit' })
  return python
}
