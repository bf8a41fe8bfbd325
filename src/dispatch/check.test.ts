import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../test/support/free-port.ts'
import { systemClock } from '../kit/clock.ts'
import { checkBackend } from './check.ts'
import { startSimulator } from './simulate/simulator.ts'

interface Route {
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}
type Routes = Readonly<Record<string, (request: IncomingMessage, body: string) => Route>>

/** A server with these routes and 404 for all others, which keeps what it was asked. */
async function server(routes: Routes, header = 'uvicorn') {
  const asked: string[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    asked.push(`${request.method} ${request.url} ${body}`.trim())
    const {
      status,
      body: said,
      headers,
    } = routes[`${request.method} ${request.url}`]?.(request, body) ?? {
      status: 404,
      body: '{"detail":"Not Found"}',
    }
    const isPacked = headers?.['content-encoding'] === 'gzip'
    response
      .writeHead(status, { server: header, 'content-type': 'application/json', ...headers })
      .end(isPacked ? gzipSync(said) : said)
  }
  const listening = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void (listening.closeAllConnections(), listening.close()))
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, asked }
}
const check = (url: string, key: string | null = null, headers = {}) => checkBackend({ url, key, headers }, systemClock)
const models =
  (owner: string, ...ids: string[]) =>
  () => ({
    status: 200,
    body: JSON.stringify({ object: 'list', data: ids.map((id) => ({ id, owned_by: owner })) }),
  })
const works = (_: IncomingMessage, body: string) =>
  body === '{}' ? { status: 422, body: '{"detail":"field required"}' } : { status: 200, body: '{}' }

test('a simulator says that it is one, whatever metrics it plays', async () => {
  await using simulator = await startSimulator({ models: ['a', 'b'] })
  const found = await check(simulator.url)
  expect(found).toMatchObject({ kind: "Nightshift's simulator", told: { kind: 'models', models: ['a', 'b'] } })
  const audio = ['/v1/audio/transcriptions', '/v1/audio/translations']
  expect(found.endpoints).toEqual(['/v1/chat/completions', '/v1/responses', '/v1/embeddings', ...audio, '/v1/completions'])
  expect(found.gauges).toContain('vllm:num_requests_running')
  expect(found.first).toMatchObject({ endpoint: '/v1/chat/completions', model: 'a', status: 200 })
})

test('a server is known by its metrics; key and headers go along, and one request is made as a line would be', async () => {
  const page =
    '# HELP vllm:num_requests_running n\n# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 0\n# TYPE vllm:x counter\n'
  const guarded = (route: Routes[string]) => (request: IncomingMessage, body: string) =>
    request.headers.authorization === 'Bearer k' && request.headers['x-team'] === 'night'
      ? route(request, body)
      : { status: 401, body: '{}' }
  const { url, asked } = await server({
    'GET /v1/models': guarded(models('vllm', 'm')),
    'GET /metrics': () => ({ status: 200, body: page }),
    'POST /v1/chat/completions': guarded(works),
    'POST /v1/embeddings': guarded(works),
    'POST /v1/moderations': () => ({ status: 405, body: '{}' }),
  })
  expect(await check(url, 'k', { 'x-team': 'night' })).toMatchObject({
    kind: 'vLLM',
    endpoints: ['/v1/chat/completions', '/v1/embeddings'],
    gauges: ['vllm:num_requests_running'],
    first: { endpoint: '/v1/chat/completions', model: 'm', status: 200 },
  })
  expect(asked.at(-1)).toBe(
    'POST /v1/chat/completions {"model":"m","messages":[{"role":"user","content":"Say hello."}],"max_tokens":4}',
  )
})

test('llama.cpp, which says 501 to what it was not started for', async () => {
  const { url } = await server(
    {
      'GET /v1/models': models('llamacpp', 'smol'),
      'GET /metrics': () => ({ status: 501, body: '{"error":{}}' }),
      'POST /v1/completions': works,
      'POST /v1/embeddings': () => ({ status: 501, body: '{"error":{}}' }),
    },
    'llama.cpp',
  )
  expect(await check(url)).toMatchObject({ kind: 'llama.cpp', endpoints: ['/v1/completions'], gauges: null, first: { endpoint: '/v1/completions', status: 200 } }) // prettier-ignore
})

test('what answers and is no endpoint: a model that cannot do it, a page to log in at, the way to one, nobody behind a proxy', async () => {
  const said = (status: number, body: string, headers?: Record<string, string>) => () => ({
    status,
    body,
    ...(headers && { headers }),
  })
  const { url } = await server({
    'GET /v1/models': () => ({ ...models('vllm', 'm')(), headers: { 'content-encoding': 'gzip' } }),
    'POST /v1/chat/completions': said(400, '{"message":"[{\'type\': \'missing\'}]"}', { 'content-encoding': 'gzip' }),
    'POST /v1/completions': said(500, '{"error":{"message":"\'prompt\' is required"}}'),
    'POST /v1/embeddings': said(400, '{"object":"error","message":"The model does not support Embeddings API"}'),
    'POST /v1/responses': said(200, '<html>Log in</html>'),
    'POST /v1/moderations': said(302, '', { location: '/login' }),
    'POST /v1/rerank': said(502, '<h1>Bad Gateway</h1>'),
    'POST /v1/score': said(200, '{"data":[]}'),
  })
  const found = await check(url)
  expect(found.told).toEqual({ kind: 'models', models: ['m'] })
  expect(found.endpoints).toEqual(['/v1/chat/completions', '/v1/completions', '/v1/score'])
})

test('one that does not list its models, and one that refuses the key: what must be done is said', async () => {
  const whisper = await server({ 'POST /v1/embeddings': works })
  const found = await check(whisper.url)
  expect(found).toMatchObject({ kind: null, told: { kind: 'there' }, endpoints: ['/v1/embeddings'], first: null })
  expect(found.told.kind === 'there' && found.told.trouble).toContain('list them in the settings')
  const refuse = () => ({ status: 401, body: '{}' })
  const closed = await server({ 'GET /v1/models': refuse, 'POST /v1/chat/completions': refuse })
  expect(await check(closed.url, 'wrong')).toMatchObject({ told: { kind: 'there', trouble: 'it refuses the key (401 from /v1/models)' }, endpoints: [] }) // prettier-ignore
})

test('one that leaves the body of what it refuses in the connection is asked each time on a new one', async () => {
  let connections = 0
  const listening = createTcpServer((socket) => {
    connections++
    socket.on('error', () => {})
    let left = ''
    socket.on('data', (bytes) => {
      const text = left + bytes.toString()
      const status = text.startsWith('POST /v1/embeddings')
        ? '400 Bad Request'
        : text.startsWith('{}')
          ? '501 Not Implemented'
          : '404 Not Found'
      left = status === '404 Not Found' ? (text.split('\r\n\r\n')[1] ?? '') : ''
      socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 2\r\n\r\n{}`)
    })
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void listening.close())
  const found = await check(`http://127.0.0.1:${(listening.address() as AddressInfo).port}`)
  expect(found.endpoints).toEqual(['/v1/embeddings'])
  expect(connections).toBeGreaterThan(5)
})

test('nobody there: nothing else is asked', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  expect(await check(url)).toMatchObject({ told: { kind: 'away' }, endpoints: [], gauges: null, first: null })
})
