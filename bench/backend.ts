/** An inference server for benches, in a process of its own: fixed answers after a delay, perhaps with slots and 429 above them. It says that it is a fake. */
import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BackendOptions {
  readonly delayMs: number
  /** Requests taken at once; above: 429 with Retry-After: 1. 0: any number. */
  readonly slots: number
}
export interface FakeBackend extends AsyncDisposable {
  readonly url: string
  /** `first` and `last`: when a request came, in ms, the first since this was asked before and the last of all. */
  counts(): Promise<{ requests: number; refused: number; most: number; first: number; last: number }>
}

export const answer = JSON.stringify({
  id: 'chatcmpl-0123456789',
  object: 'chat.completion',
  created: 1763800000,
  model: 'sim',
  system_fingerprint: 'fake',
  choices: [{ index: 0, message: { role: 'assistant', content: 'y'.repeat(210) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 },
}).padEnd(500)

export function startBackend(options: BackendOptions): Promise<FakeBackend> {
  const child = fork(new URL(import.meta.url), [JSON.stringify(options)])
  let answered: (value: never) => void = () => {}
  const next = <T>() => new Promise<T>((resolve) => (answered = resolve as typeof answered))
  child.on('message', (message) => answered(message as never))
  return next<number>().then((port) => ({
    url: `http://127.0.0.1:${port}`,
    counts() {
      const counts = next<Awaited<ReturnType<FakeBackend['counts']>>>()
      child.send('counts')
      return counts
    },
    async [Symbol.asyncDispose]() {
      child.disconnect()
    },
  }))
}

/** Calls each after the same delay, to a tenth of a millisecond: a timer alone is up to one and a half late. Watches the clock for the last two milliseconds. */
function makeDelay(ms: number): (call: () => void) => void {
  const due: { at: number; call: () => void }[] = []
  let first = 0
  let watching = false
  function watch(): void {
    const now = performance.now()
    for (let next = due[first]; next && next.at <= now; next = due[first]) {
      first++
      next.call()
    }
    if (first > 10_000) {
      due.splice(0, first)
      first = 0
    }
    const left = (due[first]?.at ?? Infinity) - now
    if (left === Infinity) watching = false
    else if (left > 3) setTimeout(watch, left - 2)
    else setImmediate(watch)
  }
  return (call) => {
    due.push({ at: performance.now() + ms, call })
    if (watching) return
    watching = true
    watch()
  }
}

function serve({ delayMs, slots }: BackendOptions): void {
  const delay = makeDelay(delayMs)
  let [requests, refused, open, most, first, last] = [0, 0, 0, 0, 0, 0]
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') return void response.end('{"object":"list","data":[{"id":"sim"}]}')
    request.resume()
    request.on('end', () => {
      requests++
      last = Date.now()
      first ||= last
      if (slots > 0 && open >= slots) {
        refused++
        return void response
          .writeHead(429, { 'retry-after': '1', 'content-type': 'application/json' })
          .end('{"error":{"message":"full"}}')
      }
      open++
      most = Math.max(most, open)
      let over = false
      const end = () => {
        if (!over) open--
        over = true
      }
      response.on('close', end)
      const send = () => (
        end(),
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer)
      )
      if (delayMs > 0) delay(send)
      else send()
    })
  })
  server.keepAliveTimeout = 60_000
  server.listen({ port: 0, host: '127.0.0.1', backlog: 16_384 }, () => process.send?.((server.address() as AddressInfo).port))
  process.on('message', () => {
    process.send?.({ requests, refused, most, first, last })
    first = 0
  })
  process.on('disconnect', () => process.exit())
}

const given = process.argv[2]
if (process.send && given?.startsWith('{')) serve(JSON.parse(given) as BackendOptions)
