/**
 * Holds rendered Kubernetes manifests (YAML on standard input) against the types of the Kubernetes API: a field that there is not, or one of another type, is an error.
 * What is of no known kind (custom resources) is told and passed over.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseAllDocuments } from 'yaml'

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
}

const modules: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'autoscaling/v2': 'autoscaling/v2',
  'networking.k8s.io/v1': 'networking/v1',
  'policy/v1': 'policy/v1',
}

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(root, '.cache/manifests-'))
try {
  const documents = parseAllDocuments(await text(process.stdin))
  const manifests = documents.map((one) => one.toJS() as Manifest | null).filter((one) => one !== null)
  const known = manifests.filter(({ apiVersion }) => modules[apiVersion] !== undefined)
  for (const { apiVersion, kind } of manifests)
    if (modules[apiVersion] === undefined) console.log(`passed over: ${apiVersion} ${kind}`)
  const lines = known.map(
    (one, i) =>
      `export const manifest${i}: import('kubernetes-types/${modules[one.apiVersion]}').${one.kind} = ${JSON.stringify(one, null, 2)}\n`,
  )
  if (lines.length === 0) throw new Error('there is no manifest on standard input')
  writeFileSync(join(folder, 'manifests.ts'), lines.join('\n'))
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'preserve',
    '--moduleResolution',
    'bundler',
    '--ignoreConfig',
  ]
  const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), [...options, join(folder, 'manifests.ts')], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exitCode = 1
  else console.log(`${known.length} manifests are as the Kubernetes API wants them`)
} finally {
  rmSync(folder, { recursive: true })
}
