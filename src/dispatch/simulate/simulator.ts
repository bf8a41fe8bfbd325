/**
 * A simulated inference server: OpenAI's endpoints with made-up answers, latencies that grow with load, a bounded number of slots, and faults by rate or by what a prompt
 * says: `[[400]]`, `[[500]]`, `[[503x2]]` (twice, then fine), `[[reset]]`, `[[hang]]`, `[[garbage]]`, `[[slow]]`. It says that it is one in every answer.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock, type Clock } from '../../kit/clock.ts'
import { bodyOfForm } from './audio.ts'
import { answers, hashOf, promptOf } from './answers.ts'
import { simulateDefaults, type SimulateOptions } from '../../domain/simulate-options.ts'
import { makeTurnstile } from './turnstile.ts'

export interface SimulatorStats {
  readonly requests: number
  readonly answered: number
  readonly refused: number
  readonly aborted: number
  readonly inFlight: number
  readonly maxInFlight: number
}

export interface Simulator extends AsyncDisposable {
  readonly url: string
  stats(): SimulatorStats
  /** Away: every connection is closed at once, until it is back. */
  setDown(down: boolean): void
}

const bodyBytes = 64 * 1024 * 1024

export async function startSimulator(
  given: Partial<SimulateOptions> = {},
  { clock }: { readonly clock: Pick<Clock, 'sleep'> } = { clock: systemClock },
): Promise<Simulator> {
  const options = { ...simulateDefaults, ...given }
  const slots = makeTurnstile(options.slots)
  const told = new Map<string, number>()
  const ending = new AbortController()
  const totals = { prompt: 0, generation: 0 }
  let [requests, answered, refused, aborted, inFlight, maxInFlight, down] = [0, 0, 0, 0, 0, 0, false]

  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    if (down) return void request.socket.destroy()
    response.setHeader('server', 'nightshift-simulator')
    const { method, url = '' } = request
    if (method === 'GET' && url === '/v1/models')
      return send(response, 200, {
        object: 'list',
        data: options.models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'simulated' })),
      })
    if (method === 'GET' && url === '/health') return send(response, 200, { status: 'ok', simulated: true })
    if (method === 'GET' && url === '/metrics')
      return void response.setHeader('content-type', 'text/plain; version=0.0.4').end(metrics())
    if (method !== 'POST' || !answers[url])
      return send(response, 404, failure(`no such route: ${method} ${url}`, 'NotFoundError', 404))
    void serve(request, response, url).catch(() => response.destroy())
  })
  server.on('connection', (socket) => down && socket.destroy())

  async function serve(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
    requests++
    inFlight++
    maxInFlight = Math.max(maxInFlight, inFlight)
    const gone = new AbortController()
    response.on('close', () => {
      inFlight--
      if (response.writableFinished) return
      aborted++
      gone.abort()
    })
    const text = await readBody(request)
    if (options.maxInFlight > 0 && inFlight > options.maxInFlight) return refuse(response, 429)
    if (slots.running >= options.slots && slots.waiting >= options.queue) return refuse(response, 503)
    const release = await slots.take(gone.signal)
    try {
      await answer(text, response, url, gone.signal)
    } finally {
      release()
    }
  }

  function refuse(response: ServerResponse, status: number): void {
    refused++
    response.setHeader('retry-after', String(options.retryAfterSeconds))
    send(response, status, failure('too many requests in flight', 'RateLimitError', status))
  }

  async function answer(text: string, response: ServerResponse, url: string, gone: AbortSignal): Promise<void> {
    const endpoint = answers[url]
    const body = parse(text)
    if (!endpoint || !body) return send(response, 400, failure('the body is not a JSON object', 'BadRequestError', 400))
    if (!endpoint.needs.some((name) => body[name] !== undefined && body[name] !== null))
      return send(response, 400, failure(`Field required: ${endpoint.needs[0]}`, 'BadRequestError', 400))
    if (!options.models.includes(String(body.model)))
      return send(response, 404, failure(`The model '${String(body.model)}' does not exist.`, 'NotFoundError', 404))
    const prompt = promptOf(body)
    const hash = hashOf(text, options.seed)
    const fault = faultOf(prompt, hash)
    if (fault === 'reset') return void response.socket?.resetAndDestroy()
    if (fault === 'hang') return waitFor(24 * 3_600_000, gone)
    const made = endpoint.make(body, prompt, hash, hash.toString(16).padStart(8, '0') + requests.toString(16))
    const load = 1 + slots.running / options.slots
    await waitFor((options.firstTokenMs + options.tokenMs * made.tokens) * load, gone)
    if (gone.aborted) return
    if (typeof fault === 'number') return send(response, fault, failure(`a scripted ${fault}`, 'SimulatedError', fault))
    if (fault === 'garbage') return void response.end('this is not JSON {"')
    answered++
    totals.prompt += Math.ceil(prompt.length / 4)
    totals.generation += made.tokens
    if (body.stream === true) return stream(response, made.body)
    if (fault === 'slow') return trickle(response, JSON.stringify(made.body), gone)
    send(response, 200, made.body)
  }

  function faultOf(prompt: string, hash: number): number | 'reset' | 'hang' | 'garbage' | 'slow' | null {
    const [, what = '', times] = /\[\[(\d{3}|reset|hang|garbage|slow)(?:x(\d+))?\]\]/.exec(prompt) ?? []
    if (what !== '') {
      const before = told.get(prompt) ?? 0
      told.set(prompt, before + 1)
      if (times === undefined || before < Number(times)) return /^\d/.test(what) ? Number(what) : (what as 'reset')
      return null
    }
    const { resetRate, hangRate, garbageRate, slowBodyRate, errorRate } = options
    const rates = [
      ['reset', resetRate],
      ['hang', hangRate],
      ['garbage', garbageRate],
      ['slow', slowBodyRate],
      [options.errorStatus, errorRate],
    ] as const
    const tries = told.get(prompt) ?? 0
    if (rates.every(([, rate]) => rate === 0)) return null
    told.set(prompt, tries + 1)
    let chance = hashOf(String(tries), hash) / 2 ** 32
    for (const [fault, rate] of rates) {
      if (chance < rate) return fault
      chance -= rate
    }
    return null
  }

  const waitFor = async (ms: number, gone: AbortSignal): Promise<void> => {
    if (ms > 0) await clock.sleep(ms, AbortSignal.any([gone, ending.signal]))
  }

  async function trickle(response: ServerResponse, text: string, gone: AbortSignal): Promise<void> {
    response.setHeader('content-type', 'application/json')
    for (let at = 0; at < text.length && !gone.aborted && !ending.signal.aborted; at += 16) {
      response.write(text.slice(at, at + 16))
      await waitFor(200, gone)
    }
    response.end()
  }

  const metrics = (): string =>
    [
      ['gauge', 'vllm:num_requests_running', slots.running],
      ['gauge', 'vllm:num_requests_waiting', slots.waiting],
      ['gauge', 'vllm:kv_cache_usage_perc', slots.running / options.slots],
      ['gauge', 'vllm:gpu_cache_usage_perc', slots.running / options.slots],
      ['counter', 'vllm:prompt_tokens_total', totals.prompt],
      ['counter', 'vllm:generation_tokens_total', totals.generation],
      ['counter', 'vllm:request_success_total', answered],
    ]
      .map(
        ([type, name, value]) =>
          `# HELP ${name} simulated\n# TYPE ${name} ${type}\n${name}{model_name="${options.models[0]}"} ${value}\n`,
      )
      .join('')

  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options.port, options.host, resolve))
  return {
    url: `http://${options.host}:${(server.address() as AddressInfo).port}`,
    stats: () => ({ requests, answered, refused, aborted, inFlight, maxInFlight }),
    setDown(is) {
      down = is
      if (is) server.closeAllConnections()
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const failure = (message: string, type: string, code: number) => ({ error: { message, type, param: null, code } })

function send(response: ServerResponse, status: number, body: unknown): void {
  const [text, type] = typeof body === 'string' ? [body, 'text/plain'] : [JSON.stringify(body), 'application/json']
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text)
}

/** Server-sent events, the whole answer in one of them. */
function stream(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'text/event-stream').end(`data: ${JSON.stringify(body)}\n\ndata: [DONE]\n\n`)
}

/** What was asked, as JSON. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytes) throw new Error('the request is too large')
    chunks.push(chunk)
  }
  const body = Buffer.concat(chunks)
  const type = request.headers['content-type'] ?? ''
  return type.startsWith('multipart/form-data') ? JSON.stringify(await bodyOfForm(body, type)) : body.toString('utf8')
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
