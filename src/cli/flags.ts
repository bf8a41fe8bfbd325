import type { Command } from 'commander'
import { loadSettings, type Defaults, type Settings } from '../config.ts'
import type { Env } from '../config/file.ts'
import { flagOf, options, variableOf, type OptionName } from '../config/options.ts'

const names = Object.keys(options) as OptionName[]

/** Gives a command the flags of the settings table (all of it, or some). `otherwise`: defaults of its own. */
export function withSettings(command: Command, some: readonly OptionName[] = names, otherwise: Defaults = {}): Command {
  command.option('--config <file>', 'settings file (default: nightshift.yaml, if it is there)')
  command.option(
    '--backend <url>',
    'an inference server; may be given again (key: NIGHTSHIFT_BACKEND_KEY)',
    (url: string, all: string[] = []) => [...all, url],
  )
  for (const name of some) {
    const option = options[name]
    command.option(
      `${flagOf(name)} <${option.kind}>`,
      `${option.help} (default: ${(option.show as (v: unknown) => string)(otherwise[name] ?? option.otherwise)}; ${variableOf(name)})`,
    )
  }
  return command
}

/** The settings from a command's flags, the environment and the file. */
export function settingsOf(given: Readonly<Record<string, unknown>>, env: Env, otherwise: Defaults = {}): Settings {
  const flags = Object.fromEntries(names.flatMap((name) => (typeof given[name] === 'string' ? [[name, given[name]]] : [])))
  return loadSettings(
    {
      ...(typeof given.config === 'string' ? { config: given.config } : {}),
      ...(Array.isArray(given.backend) ? { backend: given.backend as string[] } : {}),
      flags,
      otherwise,
    },
    env,
  )
}
