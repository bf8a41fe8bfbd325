/** One setting of the simulated server. Plain data: the command line makes its flags, defaults and help of it. Times are milliseconds unless the help says otherwise. */
interface Row<T> {
  readonly kind: 'text' | 'whole' | 'time' | 'number' | 'share' | 'list'
  /** Its flag, without the dashes. */
  readonly flag: string
  readonly otherwise: T
  /** The smallest value that makes sense; 0 where it is not said. */
  readonly least?: number
  readonly help: string
}

const text = (flag: string, otherwise: string, help: string): Row<string> => ({ kind: 'text', flag, otherwise, help })
const list = (flag: string, otherwise: readonly string[], help: string): Row<readonly string[]> => ({
  kind: 'list',
  flag,
  otherwise,
  help,
})
const of =
  (kind: 'whole' | 'time' | 'number' | 'share') =>
  (flag: string, otherwise: number, help: string, least = 0): Row<number> => ({ kind, flag, otherwise, least, help })
const whole = of('whole')
const time = of('time')
const number = of('number')
const share = of('share')

export const simulateOptions = {
  host: text('host', '127.0.0.1', 'Address to listen on'),
  port: whole('port', 0, 'Port to listen on; 0 takes a free one'),
  models: list('models', ['sim'], 'Models it says it has'),
  seed: whole('seed', 1, 'Answers and faults are a function of this and of the request'),
  firstTokenMs: time('first-token', 0, 'Time to the first token of a request that runs alone'),
  perTokenMs: time('per-token', 0, 'Time of each further token of a request that runs alone'),
  loadFactor: number('load-factor', 1, 'How much slower it is with all slots busy: both times are multiplied by 1 + this x load'),
  slots: whole('slots', 256, 'Requests that run at once; others queue', 1),
  queue: whole('queue', 100_000, 'Requests that may queue; more are answered with 503'),
  maxInFlight: whole(
    'max-in-flight',
    0,
    'Requests that may run and queue together; more are answered with 429. 0: no such limit',
  ),
  retryAfterSeconds: whole('retry-after', 1, 'What a 429 says in Retry-After, in seconds'),
  answerTokens: whole('answer-tokens', 16, 'Tokens of an answer on average: 1 to twice as many less one', 1),
  dimensions: whole('dimensions', 64, 'Length of an embedding, unless the request says another', 1),
  errorRate: share('error-rate', 0, 'Share of requests answered with error-status, 0 to 1'),
  errorStatus: whole('error-status', 500, 'The status of these answers', 400),
  resetRate: share('reset-rate', 0, 'Share of requests whose connection is reset instead of an answer'),
  hangRate: share('hang-rate', 0, 'Share of requests that keep their slot and are never answered'),
  garbageRate: share('garbage-rate', 0, 'Share of requests answered with a 200 that is not JSON'),
  slowBodyRate: share('slow-body-rate', 0, 'Share of requests whose answer comes in ten pieces'),
  slowBodyMs: time('slow-body', 1000, 'Time over which these pieces come'),
  remember: whole('remember', 100_000, 'Distinct requests that it counts one by one; the one not seen for longest goes first'),
} satisfies Record<string, Row<never> | Row<string> | Row<number> | Row<readonly string[]>>

type Options = typeof simulateOptions
export type SimulateSettings = { readonly [K in keyof Options]: Options[K] extends Row<infer T> ? T : never }

/** What was given, and the defaults for the rest. Throws a RangeError that names the setting. */
export function simulateSettings(given: Partial<SimulateSettings>): SimulateSettings {
  const defaults = Object.fromEntries(Object.entries(simulateOptions).map(([name, row]) => [name, row.otherwise]))
  const settings = { ...defaults, ...given } as SimulateSettings
  for (const [name, row] of Object.entries(simulateOptions)) {
    const value = settings[name as keyof SimulateSettings]
    if (typeof value !== 'number') continue
    const { kind, least = 0 } = row as Row<number>
    const good =
      value >= least && value < 2 ** 31 && (kind !== 'whole' || Number.isInteger(value)) && (kind !== 'share' || value <= 1)
    if (!good) throw new RangeError(`${row.flag} cannot be ${value}: ${row.help}`)
  }
  if (settings.models.length === 0) throw new RangeError('models must name at least one')
  if (settings.errorStatus > 599) throw new RangeError(`error-status cannot be ${settings.errorStatus}: 400 to 599`)
  const { errorRate, resetRate, hangRate, garbageRate, slowBodyRate } = settings
  if (errorRate + resetRate + hangRate + garbageRate + slowBodyRate > 1)
    throw new RangeError('the rates of faults add up to more than 1')
  return settings
}
