import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { webServer } from '../support/web-server.ts'
import { followToEnd } from './follow.ts'
import { line, linesOf, newMark } from './lines.ts'
import { readResults } from './results.ts'
import { onPostgres } from './local.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { create, upload, type Door } from './wire.ts'

/** What a line comes to: a code at the plan, a code or a status in its result. */
type Fate = string | number

const deep = '['.repeat(10_000) + ']'.repeat(10_000)
const good: Record<string, object> = {
  '/v1/chat/completions': { messages: [{ role: 'user', content: 'hi' }] },
  '/v1/responses': { input: 'hi' },
  '/v1/embeddings': { input: 'hi' },
  '/v1/audio/transcriptions': { file: 'data:audio/wav;base64,AAAA' },
}
const field: Record<string, string> = {
  '/v1/chat/completions': 'messages',
  '/v1/responses': 'input',
  '/v1/embeddings': 'input',
  '/v1/audio/transcriptions': 'file_url',
}

/** Lines of any endpoint: what stands around `body`, and in it whatever the endpoint. */
const anywhere = (url: string): readonly (readonly [line: string, fate: Fate])[] => {
  const raw = (member: string) => made({}).replace(/\}\}$/, `,${member}}}`)
  const made = (body: object, change: object = {}) => line('x', '', { url, body: { ...good[url], ...body }, change })
  return [
    ['{"custom_id":"x"', 'invalid_json_line'],
    ['[]', 'invalid_json_line'],
    ['\u0000', 'invalid_json_line'],
    [made({}, { custom_id: 7 }), 'invalid_type'],
    [made({}, { custom_id: '' }), 'empty_value'],
    [made({}, { custom_id: 'x'.repeat(513) }), 'string_above_max_length'],
    [made({}, { custom_id: undefined }), 'missing_required_parameter'],
    [made({}, { method: 'DELETE' }), 'invalid_value'],
    [made({}, { method: {} }), 'invalid_type'],
    [made({}, { url: 'http://169.254.169.254/' }), 'invalid_url'],
    [made({}, { url: `${url}/../../admin` }), 'invalid_url'],
    [made({}, { body: [] }), 'invalid_type'],
    [made({}, { body: null }), 'invalid_type'],
    [made({}, { body: undefined }), 'missing_required_parameter'],
    [made({ model: ['night-1'] }), 'invalid_type'],
    [made({ model: '' }), 'empty_value'],
    [made({ model: 'x'.repeat(2000) }), 'string_above_max_length'],
    [made({ model: null }), 'invalid_request'],
    [made({ stream: true }), 'streaming_unsupported'],
    [
      line('x', '', { url, body: { ...good[url], [field[url] ?? '']: undefined, file: undefined } }),
      'missing_required_parameter',
    ],
    [made({ more: 'x'.repeat(33 * 1024 * 1024) }), 'line_too_long'],
    [raw(`"nested":${deep}`), 200],
    [raw('"__proto__":{"a":1},"constructor":"x","toString":null'), 200],
    [raw(String.raw`"text":"\ud800\u0000\u2028</script>"`), 200],
  ]
}

/** The second line of a batch whose first one is good. */
async function fateOf(door: Door, url: string, text: string): Promise<Fate> {
  const first = line('first', newMark(), { url, body: good[url] ?? {} })
  const { id } = await create(door, { input_file_id: (await upload(door, `${first}\n${text}\n`)).id, endpoint: url })
  const batch = await followToEnd(door, id)
  if (batch.status === 'failed') {
    expect(batch.errors?.data[0]).toMatchObject({ line: 2, message: expect.any(String) as string })
    return batch.errors?.data[0]?.code ?? ''
  }
  const { output, errors } = await readResults(door, batch, ['first', 'x'])
  const result = [...output, ...errors].find(({ custom_id }) => custom_id === 'x')
  return result?.error?.code ?? result?.response?.status_code ?? 0
}

test.skipIf(isRemote || onPostgres).for(Object.keys(good))(
  'hostile lines of %s: each has the fate that it should',
  { timeout: 180_000 },
  async (url) => {
    await using subject = await openLocal({ attempts: '2' })
    for (const [text, fate] of anywhere(url)) {
      expect(await fateOf(subject, url, text), text.slice(0, 200)).toBe(fate)
    }
  },
)

test.skipIf(isRemote || onPostgres)(
  'audio that never ends, drips, lies about its length or its size, or is none',
  { timeout: 60_000 },
  async () => {
    const drips = new Set<NodeJS.Timeout>()
    const zipped = gzipSync(Buffer.alloc(1e8)) // NOTE: before, for it holds up the process in which all of this is
    const wav = Buffer.alloc(44)
    wav.write('RIFF\xff\xff\xff\xffWAVEfmt ', 'latin1')
    wav.fill(0xff, 16)
    const answers: Record<string, (response: ServerResponse) => void> = {
      '/endless': (response) => {
        const more = () => void (response.destroyed || response.write(Buffer.alloc(64_000), more))
        more()
      },
      '/drip': (response) => {
        const timer = setInterval(() => response.write('x'), 100)
        drips.add(timer)
        response.on('close', () => clearInterval(timer))
      },
      '/silent': () => {},
      '/short': (response) => {
        response.writeHead(200, { 'content-length': 1000 }).write('x')
        setTimeout(() => response.destroy(), 50)
      },
      '/lie.wav': (response) => void response.end(wav),
      '/empty': (response) => void response.end(),
      '/zipped': (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(zipped),
      '/loop': (response) => void response.writeHead(302, { location: '/loop' }).end(),
      '/page': (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    }
    await using web = await webServer((request, response) => answers[request.url ?? '']?.(response))
    await using subject = await openLocal({
      attempts: '2',
      fetchAllow: '127.0.0.1',
      fetchPorts: String(web.port),
      fetchBytes: '5MB',
      fetchTimeout: '6s',
      fetchStall: '3s',
    })
    const fates: Record<string, Fate> = {
      '/endless': 'url_too_large',
      '/drip': 'url_timeout',
      '/silent': 'url_timeout',
      '/short': 'url_unreachable',
      '/lie.wav': 200,
      '/empty': 200,
      '/zipped': 'url_encoded',
      '/loop': 'url_too_many_redirects',
      '/page': 200,
    }
    const url = '/v1/audio/transcriptions'
    const text = Object.keys(fates)
      .map((path) => line(path, '', { url, body: { file_url: `http://127.0.0.1:${web.port}${path}` } }))
      .join('\n')
    const { id } = await create(subject, { input_file_id: (await upload(subject, text)).id, endpoint: url })
    const batch = await followToEnd(subject, id, 40_000)
    const { output, errors } = await readResults(subject, batch, Object.keys(fates))
    const seen = [...output, ...errors].map((r) => [r.custom_id, r.error?.code ?? r.response?.status_code])
    expect(Object.fromEntries(seen)).toEqual(fates)
    expect((batch.usage as unknown as { seconds: number }).seconds).toBeLessThan(1)
    await web.quiet()
  },
)

test.skipIf(isRemote || onPostgres)(
  'an answer that is a bomb, or no text, is no result, and costs no memory',
  { timeout: 60_000 },
  async () => {
    const bomb = gzipSync(Buffer.alloc(300_000_000, ' '))
    const bodies: Record<string, (response: ServerResponse) => void> = {
      bomb: (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
      binary: (response) => void response.writeHead(200).end(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])),
      deep: (response) => void response.writeHead(200).end('['.repeat(1_000_000) + ']'.repeat(1_000_000)),
      cut: (response) => void response.writeHead(200).end('{"choices":['),
    }
    const server = createServer((request, response) => {
      if (request.method === 'GET') return void response.end('{"data":[{"id":"night-1"}]}')
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => bodies[/(bomb|binary|deep|cut)/.exec(Buffer.concat(chunks).toString())?.[0] ?? '']?.(response))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await using subject = await openLocal(
      { attempts: '2' },
      undefined,
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    )
    const lines = linesOf(['bomb', 'binary', 'deep', 'cut'])
    const { id } = await create(subject, { input_file_id: (await upload(subject, lines.text)).id })
    const { output, errors } = await readResults(subject, await followToEnd(subject, id), lines.customIds)
    const seen = [...output, ...errors].map((r) => [r.custom_id, r.error?.code ?? r.response?.status_code])
    expect(Object.fromEntries(seen)).toEqual({
      'line-0': 'response_too_large',
      'line-1': 'invalid_response',
      'line-2': 200,
      'line-3': 'invalid_response',
    })
    server.closeAllConnections()
    server.close()
  },
)
