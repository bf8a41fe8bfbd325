import { askBackend, askBackends, type CheckedBackend } from '../app.ts'
import type { Settings } from '../config.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { table, type Terminal } from './terminal.ts'

/** Asks each backend of the settings what it has. */
export async function showBackends(t: Terminal, settings: Settings): Promise<Exit> {
  const found = await askBackends(settings)
  t.out(
    t.json
      ? `${JSON.stringify(found, null, 2)}\n`
      : table([
          ['BACKEND', 'MODELS'],
          ...found.map(({ url, told }) => [url, told.kind === 'models' ? told.models.join(', ') || 'none' : `(${told.trouble})`]),
        ]),
  )
  return found.every((f) => f.told.kind === 'models') ? exit.done : exit.failed
}

/**
 * Says what a backend is, what it has, how fast one request is, and which lines of settings it wants. `given`: as `--backend` has it; its key and headers are
 * those of the settings where they know the address.
 */
export async function checkOne(t: Terminal, settings: Settings, given: Settings): Promise<Exit> {
  const [asked] = given.backends
  if (!asked) throw new Failure('Give the address of a backend, such as http://127.0.0.1:8000.', exit.usage)
  const backend = settings.backends.find(({ url }) => url === asked.url) ?? asked
  const found = await askBackend(backend)
  t.out(t.json ? `${JSON.stringify(found, null, 2)}\n` : describe(found, backend))
  return found.told.kind !== 'away' && (found.first === null || found.first.status === 200) ? exit.done : exit.failed
}

function describe(found: CheckedBackend, { key, proxy }: Settings['backends'][number]): string {
  const { url, kind, told, endpoints, gauges, first } = found
  const way = proxy === null ? '' : `, through the proxy ${new URL(proxy).origin}`
  if (told.kind === 'away') return `${url}${way}: ${told.trouble}. Look at the address, and whether the server runs.\n`
  const models = told.kind === 'models' ? told.models.join(', ') || 'none' : told.trouble
  const request = first && `${first.endpoint} with ${first.model}: ${first.status} in ${Math.round(first.ms)} ms`
  const lines = [
    `${url} is ${kind ?? 'a server that does not say what it is'}${way}`,
    `  models     ${models}`,
    `  endpoints  ${endpoints.join(', ') || 'none that Nightshift knows'}`,
    `  metrics    ${gauges ? gauges.join(', ') || 'yes, without gauges' : 'none'}`,
    `  a request  ${request ?? 'not sent: there is no model, or no endpoint, to try it with'}`,
    '',
    'In nightshift.yaml:',
    '',
    'backends:',
    `  - url: ${url}`,
    ...(key !== null ? ['    key: ${NIGHTSHIFT_BACKEND_KEY}'] : []),
    ...(told.kind === 'models' ? [] : ['    models: []  # name them here']),
    ...(endpoints.length > 0 ? [`    endpoints: [${endpoints.join(', ')}]`] : []),
  ]
  return `${lines.join('\n')}\n`
}
