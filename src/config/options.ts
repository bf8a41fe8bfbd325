import { windowMs } from '../domain/batch.ts'
import { parseHostPattern } from '../domain/host-pattern.ts'
import { parseBlock } from '../domain/public-address.ts'
import { formatBytes, formatTime, parseBytes, parseTime } from './units.ts'

/** One option: from this row come its flag, variable, place in the file, default, help, documentation and type. */
export interface Option<T> {
  readonly kind: 'text' | 'whole' | 'bytes' | 'time' | 'list'
  readonly otherwise: T
  readonly help: string
  /** Its path in the settings file. */
  readonly at: string
  /** undefined: not of this form. */
  readonly parse: (text: string) => T | undefined
  readonly show: (value: T) => string
  /** What a number must lie within, in words. */
  readonly range?: string
}

const text = (at: string, otherwise: string, help: string, allowed?: readonly string[]): Option<string> => ({
  kind: 'text',
  at,
  otherwise,
  help: allowed ? `${help} (${allowed.join(', ')})` : help,
  parse: (t) => (!allowed || allowed.includes(t) ? t : undefined),
  show: (v) => v || 'none',
})
const whole = (at: string, otherwise: number, help: string, least = 1, most = 1e15): Option<number> => ({
  kind: 'whole',
  at,
  otherwise,
  help,
  parse: (t) => (/^\d{1,15}$/.test(t) && Number(t) >= least && Number(t) <= most ? Number(t) : undefined),
  show: String,
  range: `from ${least}${most < 1e15 ? ` to ${most}` : ''}`,
})
const within = (value: number | null, least: number, most: number): number | undefined =>
  value === null || value < least || value > most ? undefined : value
const bytes = (at: string, otherwise: number, help: string, most = 1e15): Option<number> => ({
  kind: 'bytes',
  at,
  otherwise,
  help,
  parse: (t) => within(parseBytes(t), 1, most),
  show: formatBytes,
  range: most < 1e15 ? `from 1 to ${formatBytes(most)}` : 'from 1',
})
const day = 86_400_000
/** What Node can wait for at once is 24.8 days. */
const longestWait = 24 * day
const years = 36_500 * day
const time = (at: string, otherwise: number, help: string, least = 1, most = longestWait): Option<number> => ({
  kind: 'time',
  at,
  otherwise,
  help,
  parse: (t) => within(parseTime(t), least, most),
  show: formatTime,
  range: `from ${least === 0 ? '0' : formatTime(least)} to ${formatTime(most)}`,
})
const list = (
  at: string,
  otherwise: readonly string[],
  help: string,
  valid: (item: string) => boolean = () => true,
): Option<readonly string[]> => ({
  kind: 'list',
  at,
  otherwise,
  help,
  parse: (t) => (t.split(',').every((item) => valid(item.trim())) ? t.split(',').map((item) => item.trim()) : undefined),
  show: (v) => v.join(',') || 'none',
})
const isBlock = (text: string): boolean => parseBlock(text) !== null
const isHostPattern = (text: string): boolean => parseHostPattern(text) !== null

const MiB = 1024 * 1024
const s = 1000

export const options = {
  host: text('host', '127.0.0.1', 'Address to listen on'),
  port: whole('port', 8090, 'Port to listen on, up to 65535; 0 takes a free one', 0, 65_535),
  workerPort: whole(
    'workerPort',
    0,
    'Port, on the same host, on which a worker alone tells of itself (/healthz, /readyz, /metrics); 0: none',
    0,
    65_535,
  ),
  tlsCert: text('tls.cert', '', 'PEM file of the certificate that it shows, with those that vouch for it; none: it speaks HTTP'),
  tlsKey: text('tls.key', '', 'PEM file of the key of that certificate'),
  data: text('data', './nightshift-data', 'Folder for the database, files, scratch and bucket folders'),
  database: text('database', '', 'Database, as postgres://user@host/database; none: a SQLite file in the data folder'),
  blobs: text('blobs', '', 'Place for files and scratch: a folder, or s3://bucket/prefix; none: in the data folder'),
  workers: whole('workers', 1, 'Workers; 1 works in this process, more are processes of their own, 0 is an API alone', 0),
  windows: list('windows', ['24h'], 'Completion windows that may be asked for, 1h to 14d; 24h always may', (w) => {
    const ms = windowMs(w)
    return ms !== null && ms <= 14 * day
  }),
  maxBatchLines: whole('limits.batchLines', 50_000, 'Lines a batch may have'),
  maxInputs: whole('limits.embeddingInputs', 50_000, 'Inputs to embed that a batch may have, over all lines'),
  maxFileBytes: bytes('limits.fileBytes', 200_000_000, 'Bytes a file may have, unpacked'),
  requestsPerSecond: whole(
    'limits.requestsPerSecond',
    0,
    'Requests a second of a key that has no limit of its own; 0: as many as it likes',
    0,
  ),
  createsPerHour: whole('limits.createsPerHour', 0, 'Batches an hour of such a key', 0),
  uploadsPerHour: whole('limits.uploadsPerHour', 0, 'Uploads an hour of such a key', 0),
  maxConnections: whole('limits.connections', 10_000, 'Connections that clients may have open; those beyond it are closed'),
  headerTime: time('limits.headerTime', 20 * s, 'How long a client may take to send the head of a request'),
  maxLineBytes: bytes('limits.lineBytes', 32 * MiB, 'Bytes a line may have'),
  maxAnswerBytes: bytes('limits.answerBytes', 64 * MiB, 'Bytes an answer may have'),
  maxInFlight: whole('limits.inFlight', 64, 'Calls open at once to a backend, at most'),
  startInFlight: whole('dispatch.startInFlight', 32, 'Calls open at once to a backend, at the start'),
  discoverEvery: time('dispatch.discoverEvery', 60 * s, 'How often backends are asked for their models', 10),
  attempts: whole('retry.attempts', 5, 'Tries that may fail before a line has failed'),
  backoffBase: time('retry.backoffBase', 500, 'First pause before a line is sent again (full jitter)'),
  backoffMax: time('retry.backoffMax', 60 * s, 'Longest pause before a line is sent again'),
  connectTimeout: time('timeouts.connect', 5 * s, 'Time to connect to a backend'),
  firstByteTimeout: time('timeouts.firstByte', 600 * s, 'Time until an answer begins'),
  answerTimeout: time('timeouts.answer', 1800 * s, 'Time until an answer is whole'),
  idleTimeout: time('timeouts.idle', 120 * s, 'Time that an upload or a download may stand still'),
  fetchImages: text(
    'fetch.images',
    'pass',
    'What becomes of images that lines name by address: it is passed on as it is, or the server fetches them and puts them into the body',
    ['pass', 'inline'],
  ),
  fetchBytes: bytes('fetch.bytes', 100_000_000, 'Bytes of audio, or of images together, that a line may name'),
  fetchTimeout: time('fetch.timeout', 120 * s, 'Time that audio or an image may keep its reader waiting, in all'),
  fetchStall: time('fetch.stall', 15 * s, 'Time that audio or an image may keep its reader waiting at once'),
  fetchAllow: list(
    'fetch.allow',
    [],
    'Hosts that lines may name although they are not on the public internet: names, *.names, addresses, ranges',
    (host) => host !== '*' && isHostPattern(host),
  ),
  fetchDeny: list('fetch.deny', [], 'Hosts that lines may not name; * is all that are not allowed', isHostPattern),
  fetchPorts: list(
    'fetch.ports',
    ['80', '443'],
    'Ports that lines may name',
    (port) => /^\d{1,5}$/.test(port) && Number(port) <= 65_535,
  ),
  webhookTimeout: time('webhooks.timeout', 15 * s, 'Time that a webhook has to answer'),
  lease: time('lease.length', 15 * s, 'How long a worker holds a shard without renewing', 3 * s),
  leaseRenew: time('lease.renew', 5 * s, 'How often a worker renews what it holds'),
  flushEvery: time('flush.every', s, 'How often results are saved'),
  flushBytes: bytes('flush.bytes', 8 * MiB, 'Bytes of results that are saved at once'),
  shardLines: whole('shard.lines', 1000, 'Lines of a shard, at most'),
  shardBytes: bytes('shard.bytes', 8 * MiB, 'Bytes of a shard, at most'),
  shortBytes: bytes(
    'shard.shortBytes',
    32 * 1024,
    'Bytes of a plan that lies in the database, as do its results, rather than in blobs',
    16 * MiB,
  ),
  heldBytes: bytes('heldBytes', 64 * MiB, 'Memory for the shards that a worker holds'),
  look: time('look', 250, 'How often a worker looks at its batches', 10, 500),
  grace: time('grace', 30 * s, 'Time that open calls have to end when the server stops', 0),
  suffixOutput: text('outputs.suffixOutput', '-output.jsonl', 'Ending of the name of an output object'),
  suffixError: text('outputs.suffixError', '-error.jsonl', 'Ending of the name of an error object'),
  fileExpiry: time('outputs.fileExpiry', 30 * day, 'How long uploads and output files are kept', s, years),
  currency: text('billing.currency', 'eur', 'Currency of the price list'),
  batchPercent: whole('billing.batchPercent', 50, 'What a batch costs of the prices of the list, in percent', 0, 100),
  keepBatches: {
    ...time('batches.keep', 0, 'How long batches that have ended are listed', 0, years),
    show: (ms: number) => (ms === 0 ? 'for good' : formatTime(ms)),
  },
  auditKeep: {
    ...time('audit.keep', 90 * day, 'How long it is kept who did what; 0: it is not written down', 0, years),
    show: (ms: number) => (ms === 0 ? 'not at all' : formatTime(ms)),
  },
  proxies: list(
    'proxies',
    [],
    'Addresses, and ranges such as 10.0.0.0/8, of proxies that are believed when they say for whom they ask (X-Forwarded-For)',
    isBlock,
  ),
  logLevel: text('log.level', 'info', 'What is logged', ['debug', 'info', 'warn', 'error', 'silent']),
} satisfies Record<string, Option<never> | Option<string> | Option<number> | Option<readonly string[]>>

export type OptionName = keyof typeof options
export type Values = { readonly [K in OptionName]: (typeof options)[K] extends Option<infer T> ? T : never }

const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)
export const flagOf = (name: string): string => `--${kebab(name)}`
export const variableOf = (name: string): string => `NIGHTSHIFT_${kebab(name).replaceAll('-', '_').toUpperCase()}`
