/** Settings: flag, then `NIGHTSHIFT_...` variable, then the settings file, then default. One table (`config/options.ts`) makes all of them. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseBackend, plainBackend, type BackendEntry } from './config/backends.ts'
import { accessOfBlobs, addressOfBlobs } from './config/blobs.ts'
import { parseBucket, type BucketEntry } from './config/buckets.ts'
import { SettingsError } from './config/error.ts'
import { noFile, readSettingsFile, type Env, type FileSettings } from './config/file.ts'
import { flagOf, options, variableOf, type Option, type OptionName, type Values } from './config/options.ts'
import { parseIssuers } from './config/issuers.ts'
import { parsePriceEntry } from './config/prices.ts'
export { priceList } from './config/prices.ts'
export { servingTls } from './config/serving.ts'
import type { S3Access } from './domain/grant.ts'
import type { Issuer } from './domain/issuer.ts'
import type { Price } from './domain/price.ts'

export interface Settings extends Values {
  readonly backends: readonly BackendEntry[]
  readonly buckets: readonly BucketEntry[]
  readonly prices: readonly Price[]
  readonly issuers: readonly Issuer[]
  /** What secrets that the server gives out are made from, the newest first; none: a file of the data folder has it. */
  readonly signingKeys: readonly string[]
  /** null: `blobs` is a folder. */
  readonly blobsAccess: S3Access | null
}

/** What a command line gave: option names to texts, and the repeatable `--backend`. */
export interface Given {
  readonly config?: string
  readonly backend?: readonly string[]
  readonly flags: Readonly<Partial<Record<OptionName, string>>>
  /** Defaults of the command, in the place of the usual ones. */
  readonly otherwise?: Defaults
}
export type Defaults = Readonly<Partial<Record<OptionName, number | string>>>

const defaultFile = 'nightshift.yaml'

/** @throws {SettingsError} */
export function loadSettings({ config, backend = [], flags, otherwise = {} }: Given, env: Env): Settings {
  const path = config ?? env.NIGHTSHIFT_CONFIG ?? (existsSync(defaultFile) ? defaultFile : null)
  const file = path === null ? noFile : readSettingsFile(path, readFile(path), env)
  const values: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(options) as [OptionName, Option<unknown>][]) {
    const [text, where] =
      flags[name] !== undefined
        ? [flags[name], flagOf(name)]
        : env[variableOf(name)] !== undefined
          ? [env[variableOf(name)], variableOf(name)]
          : [file.values.get(name), `${path}: ${option.at}`]
    values[name] = text === undefined ? (otherwise[name] ?? option.otherwise) : parsed(option, text, where)
  }
  const blobs = givenBlobs(values.blobs as string, flags.blobs ?? env.NIGHTSHIFT_BLOBS, file, path, env)
  const base = dirname(resolve(path ?? '.'))
  const fromFlags = backend.map((url) => plainBackend(url, '--backend', env))
  const fromEnv = (env.NIGHTSHIFT_BACKEND ?? '')
    .split(',')
    .filter(Boolean)
    .map((url) => plainBackend(url.trim(), 'NIGHTSHIFT_BACKEND', env))
  const fromFile = file.backends.map((entry) => parseBackend(entry, { where: `${path}: backends`, base, env }))
  const settings: Settings = {
    ...(values as unknown as Values),
    ...blobs,
    signingKeys: signingKeysIn(env),
    backends: fromFlags.length > 0 ? fromFlags : fromEnv.length > 0 ? fromEnv : fromFile,
    prices: file.prices.map((entry) => parsePriceEntry(entry, `${path}: prices`)),
    issuers: parseIssuers(file.issuers, `${path}: issuers`),
    buckets: file.buckets.map((entry) => parseBucket(entry, `${path}: buckets`, base)),
  }
  check(settings)
  return settings
}

const signingKeyVariables = ['NIGHTSHIFT_SIGNING_KEY', 'NIGHTSHIFT_OLD_SIGNING_KEY'] as const

/** The old one is that of before a change: what it has made is still good while it is given. */
function signingKeysIn(env: Env): readonly string[] {
  const keys: string[] = []
  for (const name of signingKeyVariables) {
    const key = env[name]
    if (key === undefined || key === '') continue
    if (key.length < 32)
      throw new SettingsError(`${name} is too short: give at least 32 characters of chance, as "openssl rand -base64 32" makes.`)
    keys.push(key)
  }
  if (keys.length === 1 && !env.NIGHTSHIFT_SIGNING_KEY)
    throw new SettingsError('NIGHTSHIFT_OLD_SIGNING_KEY is the key before NIGHTSHIFT_SIGNING_KEY, which is not set.')
  return keys
}

/** A place that the file describes field by field gives way to another one of a flag or variable; how it is reached serves that too. */
function givenBlobs(
  value: string,
  given: string | undefined,
  file: FileSettings,
  path: string | null,
  env: Env,
): Pick<Settings, 'blobs' | 'blobsAccess'> {
  const blobs = given === undefined && file.blobs ? addressOfBlobs(file.blobs.fields, file.blobs.where) : value
  const where = given === undefined ? `${path}: blobs` : flagOf('blobs')
  return { blobs, blobsAccess: accessOfBlobs(blobs, where, file.blobs, env) }
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new SettingsError(`The settings file ${path} cannot be read.`)
  }
}

const forms: Record<Option<unknown>['kind'], string> = {
  text: 'one of the values that it may have',
  whole: 'a whole number',
  bytes: 'bytes, such as 200MB or 8MiB',
  time: 'a time, such as 250ms, 10s or 24h',
  list: 'values separated by commas',
}

function parsed(option: Option<unknown>, text: string, where: string): unknown {
  const value = option.parse(text)
  if (value === undefined)
    throw new SettingsError(
      `${where}: '${text}' is not ${forms[option.kind]}${option.range === undefined ? '' : `, ${option.range}`}. ${option.help}.`,
    )
  return value
}

/** NOTE: an address that is none is not shown: it may hold a password. */
const isPostgres = (text: string): boolean => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)

/** Settings that contradict each other. */
function check(s: Settings): void {
  const no = (what: string) => {
    throw new SettingsError(what)
  }
  if (s.database !== '' && !isPostgres(s.database))
    no(
      `${flagOf('database')}: not the address of a database. Give one such as postgres://user@host/database, or leave it out to use SQLite in the data folder.`,
    )
  if (s.leaseRenew * 2 > s.lease)
    no(`${flagOf('leaseRenew')} must be at most half of ${flagOf('lease')}: a lease must outlast one renewal that fails.`)
  if (s.backoffBase > s.backoffMax) no(`${flagOf('backoffBase')} is longer than ${flagOf('backoffMax')}.`)
  if (s.maxLineBytes > s.maxFileBytes)
    no(`${flagOf('maxLineBytes')} is more than ${flagOf('maxFileBytes')}: no line could be so long.`)
  if (s.suffixOutput === s.suffixError)
    no(`${flagOf('suffixOutput')} and ${flagOf('suffixError')} are the same: the two results would have one name.`)
  if (s.suffixOutput.includes('/') || s.suffixError.includes('/'))
    no(`${flagOf('suffixOutput')} and ${flagOf('suffixError')} may not hold a slash.`)
  for (const name of ['suffixOutput', 'suffixError'] as const)
    if (s[name] === '' || s[name] === '.jsonl' || Buffer.byteLength(s[name]) > 100)
      no(`${flagOf(name)} must be 1 to 100 bytes long, and more than .jsonl: the result would have the name of its input.`)
  const twice = s.backends.find(({ url }, i) => s.backends.findIndex((other) => other.url === url) < i)
  if (twice)
    no(`The backend ${twice.url} is given twice: give it one entry, or lines would be counted against its limit twice over.`)
  if (s.startInFlight > s.maxInFlight && s.startInFlight !== options.startInFlight.otherwise)
    no(`${flagOf('startInFlight')} is more than ${flagOf('maxInFlight')}.`)
}
