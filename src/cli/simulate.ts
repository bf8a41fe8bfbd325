import { startSimulator } from '../app.ts'
import { simulateDefaults, type SimulateOptions } from '../domain/simulate-options.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { onStop } from './stopping.ts'
import { flagOf } from '../config/options.ts'
import type { Terminal } from './terminal.ts'

/** A simulated inference server, until stopped. */
export async function simulate(t: Terminal, given: Readonly<Record<string, unknown>>): Promise<Exit> {
  const stopping = onStop()
  const options = Object.fromEntries(
    Object.entries(simulateDefaults).map(([name, otherwise]) => [name, valueOf(name, otherwise, given[name])]),
  ) as unknown as SimulateOptions
  await using server = await startSimulator(options)
  t.out(
    `A simulated inference server listens on ${server.url} (models: ${options.models.join(', ')}). Its answers are made up.\n`,
  )
  if (!stopping.signal.aborted)
    await new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve(), { once: true }))
  return stopping.by() === 'SIGINT' ? exit.stopped : exit.done
}

const leasts: Readonly<Record<string, number>> = { slots: 1, errorStatus: 400 }
const mosts: Readonly<Record<string, number>> = { port: 65_535, errorStatus: 599 }

function valueOf(name: string, otherwise: unknown, text: unknown): unknown {
  if (typeof text !== 'string') return otherwise
  if (Array.isArray(otherwise)) return text.split(',')
  if (typeof otherwise === 'string') return text
  const value = Number(text)
  if (
    text.trim() === '' ||
    !Number.isFinite(value) ||
    value < (leasts[name] ?? 0) ||
    value > (name.endsWith('Rate') ? 1 : (mosts[name] ?? Infinity))
  )
    throw new Failure(`${flagOf(name)}: '${text}' is not a number that it may have.`, exit.usage)
  return value
}
