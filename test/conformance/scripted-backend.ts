import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { answerTo, promptOf } from './scripted-answers.ts'

/**
 * An inference server whose behaviour stands in the prompts, so that one file of lines says both what is sent and what must come back:
 *   [[400]] answers that status, always          [[503x2]] twice, then well         [[429x2 after 1]] the same with `Retry-After: 1`
 *   [[hang]] never answers                       [[reset]] breaks the connection    [[text]] / [[text 502]] an answer that is not JSON
 *   [[wait G]] answers when gate G is released   [[slow 200]] answers after 200 ms  [[pretty]] JSON over several lines, with a BOM
 * It is asked and steered over HTTP (`/control/...`), so that it may run beside a server that is somewhere else.
 */
export interface ScriptedBackend {
  readonly url: string
  [Symbol.asyncDispose](): Promise<void>
}

interface Seen {
  readonly at: number[]
  aborted: number
}

export const models = ['night-1', 'night-2'] as const

export async function startScriptedBackend({ port = 0 }: { port?: number } = {}): Promise<ScriptedBackend> {
  const seen = new Map<string, Seen>()
  const released = new Set<string>()
  const waiting = new Map<string, (() => void)[]>()
  const timers = new Set<NodeJS.Timeout>()
  const state = { open: 0 }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://backend')
    if (url.pathname.startsWith('/control/')) return control(url, response)
    if (url.pathname.startsWith('/v1/models'))
      return send(response, 200, JSON.stringify({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) }))
    read(request).then(
      (body) => serve(url.pathname, body, response),
      () => response.destroy(), // NOTE: whoever asked went away in the middle
    )
  })

  function serve(path: string, body: Record<string, unknown>, response: ServerResponse): void {
    const prompt = promptOf(body)
    const entry = seen.get(prompt) ?? { at: [], aborted: 0 }
    seen.set(prompt, entry)
    entry.at.push(Date.now())
    state.open++
    response.on('close', () => {
      state.open--
      if (!response.writableFinished) entry.aborted++
    })
    const good = () => send(response, 200, answerTo(path, body))
    const [, script] = /\[\[([^\]]+)\]\]/.exec(prompt) ?? []
    if (script === undefined) return good()
    const [verb = '', word = '', value = ''] = script.split(' ')
    const fault = /^(\d{3})(?:x(\d+))?$/.exec(verb)
    if (fault) {
      if (fault[2] !== undefined && entry.at.length > Number(fault[2])) return good()
      const headers = word === 'after' ? { 'retry-after': value } : {}
      return send(response, Number(fault[1]), errorText(Number(fault[1])), headers)
    }
    switch (verb) {
      case 'hang':
        return
      case 'reset':
        response.socket?.resetAndDestroy()
        return
      case 'text':
        return send(response, Number(word || 200), '<html>not JSON</html>', { 'content-type': 'text/html' })
      case 'pretty':
        return send(response, 200, `\uFEFF${JSON.stringify(JSON.parse(answerTo(path, body)), null, 2)}\r\n`)
      case 'slow': {
        const timer = setTimeout(() => (timers.delete(timer), good()), Number(word))
        timers.add(timer)
        return
      }
      case 'wait':
        if (released.has(word)) return good()
        waiting.set(word, [...(waiting.get(word) ?? []), good])
        return
      default:
        return send(response, 500, errorText(500))
    }
  }

  function control(url: URL, response: ServerResponse): void {
    const gate = url.searchParams.get('gate') ?? ''
    if (url.pathname === '/control/release') {
      released.add(gate)
      for (const go of waiting.get(gate) ?? []) go()
      waiting.delete(gate)
      return send(response, 200, '{}')
    }
    const mark = url.searchParams.get('mark') ?? ''
    const found = [...seen].filter(([prompt]) => prompt.includes(mark))
    if (url.pathname === '/control/count') return send(response, 200, String(found.length))
    send(response, 200, JSON.stringify({ open: state.open, prompts: Object.fromEntries(found) }))
  }

  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the scripted backend has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const errorText = (status: number) =>
  `{"error": {"message":"scripted ${status}", "type":"scripted", "param":null, "code":"scripted_${status}"}}`

function send(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers })
  response.end(text)
}

/** The body of a request; of a form its fields, and of its file the name, the type and the size. */
async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('multipart/form-data')) return JSON.parse(bytes.toString()) as Record<string, unknown>
  const form = await new Response(bytes, { headers: { 'content-type': type } }).formData()
  return Object.fromEntries(
    [...form].map(([name, value]) => [
      name,
      typeof value === 'string' ? value : { name: value.name, type: value.type, size: value.size },
    ]),
  )
}

/** What the backend has seen of the lines whose prompt contains a mark. */
export interface Sightings {
  /** Requests, attempts counted one by one. */
  readonly requests: number
  /** Requests whose caller went away before the answer was whole. */
  readonly aborted: number
  /** When each prompt came in, milliseconds since 1970. */
  readonly at: ReadonlyMap<string, readonly number[]>
}

/** The other end of `/control/...`. */
export interface BackendControl {
  seen(mark: string): Promise<Sightings>
  /** How many prompts: to be asked often, where `seen` says more than is wanted. */
  count(mark: string): Promise<number>
  release(gate: string): Promise<void>
}

export const controlOf = (url: string): BackendControl => ({
  async seen(mark) {
    const response = await fetch(`${url}/control/seen?mark=${encodeURIComponent(mark)}`)
    const { prompts } = (await response.json()) as { prompts: Record<string, Seen> }
    const all = Object.entries(prompts)
    return {
      requests: all.reduce((sum, [, { at }]) => sum + at.length, 0),
      aborted: all.reduce((sum, [, { aborted }]) => sum + aborted, 0),
      at: new Map(all.map(([prompt, { at }]) => [prompt, at])),
    }
  },
  async count(mark) {
    return Number(await (await fetch(`${url}/control/count?mark=${encodeURIComponent(mark)}`)).text())
  },
  async release(gate) {
    await fetch(`${url}/control/release?gate=${encodeURIComponent(gate)}`, { method: 'POST' })
  },
})
