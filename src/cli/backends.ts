import { askBackends } from '../app.ts'
import type { Settings } from '../config.ts'
import { exit, type Exit } from './failure.ts'
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
