import type { Socket } from 'node:net'
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openWire, serveRaw, textOf } from '../../../test/support/open-wire.ts'
import { endingOf } from './answer.ts'

const json = '{"ok":"é€"}'
const length = Buffer.byteLength(json)
const whole = `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n${json}`
const pause = () => new Promise(setImmediate)

/** Writes a text or bytes in pieces that end at these places. */
async function writeCut(socket: Socket, written: string | Buffer, cuts: readonly number[] = []): Promise<void> {
  const bytes = Buffer.from(written)
  const ends = [...new Set(cuts.map((cut) => cut % bytes.length))].toSorted((a, b) => a - b)
  let at = 0
  for (const end of [...ends, bytes.length]) {
    socket.write(bytes.subarray(at, end))
    at = end
    await pause()
  }
}
/** What comes of a call to a server that answers with these bytes. */
async function answeredBy(answer: string | Buffer) {
  const url = await serveRaw((socket) => socket.write(answer))
  return openWire(url).post()
}
const chunk = (part: string, more = '') => `${Buffer.byteLength(part).toString(16).toUpperCase()}${more}\r\n${part}\r\n`
const chunked = (...parts: string[]) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${parts.join('')}`
const packed = (body: Buffer, encoding = 'gzip', status = 200) =>
  Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status} X\r\ncontent-encoding: ${encoding}\r\ncontent-length: ${body.length}\r\n\r\n`),
    body,
  ])

describe('chunked', () => {
  const answers = [
    chunked(chunk(json), '0\r\n\r\n'),
    chunked(chunk(json.slice(0, 3), ';name="value"'), chunk(json.slice(3)), '000\r\nx-trailer: yes\r\n\r\n'),
    whole,
  ]
  test('an answer is the same wherever it is cut, and the connection serves on', async () => {
    let script: { answer: string; cuts: readonly number[] } = { answer: '', cuts: [] }
    const connections = new Set<Socket>()
    const url = await serveRaw((socket) => {
      connections.add(socket)
      void writeCut(socket, script.answer, script.cuts)
    })
    const { post } = openWire(url)
    const cuts = fc.array(fc.nat(200), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...answers), cuts, async (answer, at) => {
        script = { answer, cuts: at }
        expect(textOf(await post())).toBe(json)
      }),
      { numRuns: 60 },
    )
    expect(connections.size).toBe(1)
  })

  test.each([
    ['ends within a chunk', chunked('ff\r\n{"ok"')],
    ['lacks its last chunk', chunked(chunk(json))],
    ['has a length that is none', chunked('xyz\r\n{}\r\n0\r\n\r\n')],
    ['tells a length too', chunked(chunk(json), '0\r\n\r\n').replace('\r\n\r\n', '\r\ncontent-length: 3\r\n\r\n')],
  ])('an answer that %s is broken', async (_, answer) => {
    const url = await serveRaw((socket) => socket.end(answer))
    expect(await openWire(url).post()).toMatchObject({ kind: 'broken' })
  })
})

describe('compressed, though nobody asked for it', () => {
  const bomb = Buffer.alloc(64 * 1024 * 1024)
  const quick = { [constants.BROTLI_PARAM_QUALITY]: 1 }
  test.each([
    ['gzip', gzipSync(bomb)],
    ['deflate', deflateSync(bomb)],
    ['br', brotliCompressSync(bomb, { params: quick })],
  ])('64 MiB in a little %s are cut at the limit of an answer', async (encoding, body) => {
    expect(body.length).toBeLessThan(100_000)
    expect(await answeredBy(packed(body, encoding))).toEqual({ kind: 'too-large', limitBytes: 1_000_000 })
  })

  test('an error in gzip, in pieces and in two members, is read like any other', async () => {
    const body = Buffer.concat([gzipSync('{"error":'), gzipSync('"no"}')])
    const text = `HTTP/1.1 500 X\r\nContent-Encoding: GZIP\r\ntransfer-encoding: chunked\r\n\r\n`
    const size = body.length.toString(16)
    const answer = Buffer.concat([Buffer.from(`${text}${size}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')])
    const url = await serveRaw((socket) => void writeCut(socket, answer, [10, 90, 101, 120]))
    expect(textOf(await openWire(url).post())).toBe('{"error":"no"}')
  })

  test('an answer that says gzip and has no body is none that was cut off', async () => {
    expect(await answeredBy(packed(Buffer.alloc(0), 'gzip', 429))).toMatchObject({ kind: 'answered', status: 429 })
  })

  test.each([12, gzipSync(json).length - 1])('what is cut off after %i bytes may come whole another time', async (bytes) => {
    for (const status of [200, 500])
      expect(await answeredBy(packed(gzipSync(json).subarray(0, bytes), 'gzip', status))).toMatchObject({ kind: 'broken' })
  })

  test.each([
    ['no gzip at all', Buffer.from([0x1f, 0x8b, 1, 2, 3]), 'gzip'],
    ['an encoding that nobody here knows', gzipSync(json), 'zstd'],
  ])('what is %s is no answer, and no trouble', async (_, body, encoding) => {
    const outcome = await answeredBy(packed(body, encoding))
    expect(outcome.kind === 'answered' && endingOf(outcome)).toMatchObject({ kind: 'unanswered', code: 'invalid_response' })
    const error = await answeredBy(packed(body, encoding, 500))
    expect(error.kind === 'answered' && endingOf(error)).toMatchObject({ kind: 'answered', status: 500 })
  })
})

describe('a connection that is kept', () => {
  /** The first request is answered; the second one, and those after it, by `second`. */
  async function twice(second: (socket: Socket, nth: number) => void) {
    const requests: number[] = []
    const url = await serveRaw((socket, nth) => {
      requests.push(nth)
      if (nth === 1) socket.write(whole)
      else second(socket, nth)
    })
    const { post } = openWire(url)
    await post()
    return { outcome: await post(), requests }
  }

  test.each(['end', 'resetAndDestroy'] as const)(
    'closed (%s) just when the next request comes: sent again, unnoticed',
    async (how) => {
      const { outcome } = await twice((socket, nth) => (nth === 2 ? socket[how]() : socket.write(whole)))
      expect(textOf(outcome)).toBe(json)
    },
  )

  test('closed while a body of 8 MB is on its way: sent again, all of it', async () => {
    const body = JSON.stringify({ prompt: 'x'.repeat(8_000_000) })
    const heard = new Map<Socket, number>()
    const url = await serveRaw((socket, nth, request) => {
      const bytes = (heard.get(socket) ?? 0) + Buffer.byteLength(request.split('\r\n\r\n').at(-1) ?? '')
      heard.set(socket, bytes)
      if (nth === 1) socket.write(whole)
      else if (heard.size === 1) socket.resetAndDestroy()
      else if (bytes === body.length) socket.write(whole)
    })
    const { post } = openWire(url)
    await post('{}')
    expect(textOf(await post(body))).toBe(json)
    expect(heard.size).toBe(2)
  })

  test('closed after any number of bytes of an answer: the answer is whole, or the call is broken', async () => {
    for (let bytes = 1; bytes <= Buffer.byteLength(whole); bytes++) {
      const { outcome, requests } = await twice((socket) => socket.end(Buffer.from(whole).subarray(0, bytes)))
      expect([bytes, outcome.kind === 'answered' ? textOf(outcome) : outcome.kind]).toEqual([
        bytes,
        bytes === Buffer.byteLength(whole) ? json : 'broken',
      ])
      expect(requests).toEqual([1, 2])
    }
  })

  test('an answer that says close is followed by a new connection', async () => {
    const connections = new Set<Socket>()
    const url = await serveRaw((socket) => {
      connections.add(socket)
      socket.write(whole.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'))
    })
    const { post } = openWire(url)
    expect([textOf(await post()), textOf(await post())]).toEqual([json, json])
    expect(connections.size).toBe(2)
  })

  test.each([
    ['a second answer', whole.replace(json, 'x'.repeat(length))],
    ['a time-out of the server', 'HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'],
    ['rubbish', '\0\0\0'],
  ])('%s that nobody asked for is never that of the next call', async (_, more) => {
    const url = await serveRaw((socket, nth) => socket.write(nth === 1 ? whole + more : whole))
    const { post } = openWire(url)
    await post()
    await pause()
    expect(textOf(await post())).toBe(json)
  })
})

describe('what comes before an answer, and older forms', () => {
  test('interim answers are passed over, and nothing is ever expected of them', async () => {
    let asked = ''
    const url = await serveRaw((socket, _, request) => {
      asked = request
      socket.write(
        `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nx-request-id: no\r\nretry-after: 9\r\n\r\n${whole}`,
      )
    })
    expect(await openWire(url).post()).toMatchObject({ kind: 'answered', status: 200, requestId: null, retryAfterMs: null })
    expect(asked.toLowerCase()).not.toContain('expect:')
  })

  test('417, which only an expectation can bring, is an answer like others', async () => {
    expect(await answeredBy('HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n')).toMatchObject({ status: 417 })
  })

  test('an answer that comes before the request was read is the answer', async () => {
    const url = await serveRaw((socket, nth) => nth === 1 && socket.end('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}'))
    expect(await openWire(url).post('x'.repeat(4_000_000))).toMatchObject({ kind: 'answered', status: 413 })
  })

  test('HTTP/1.0 that keeps its connection is used again, HTTP/1.0 that does not is not', async () => {
    const connections = new Set<Socket>()
    const old = whole.replace('HTTP/1.1', 'HTTP/1.0')
    const url = await serveRaw((socket, nth) => {
      connections.add(socket)
      if (nth < 3) socket.write(old.replace('\r\n\r\n', '\r\nconnection: keep-alive\r\n\r\n'))
      else socket.end(old)
    })
    const { post } = openWire(url)
    for (let n = 0; n < 4; n++) expect(textOf(await post())).toBe(json)
    expect(connections.size).toBe(2)
  })

  test.each([
    ['{"choices":[{"mess', 'broken'],
    [' [1,2', 'broken'],
    [json, 'answered'],
    ['<html>', 'answered'],
    ['', 'answered'],
  ])('an answer that ends with its connection and says %j', async (body, kind) => {
    for (const version of ['1.0', '1.1']) {
      const url = await serveRaw((socket) => socket.end(`HTTP/${version} 200 OK\r\ncontent-digest: none\r\n\r\n${body}`))
      expect(await openWire(url).post()).toMatchObject({ kind })
    }
  })

  test('headers without end are broken, not remembered', async () => {
    expect(await answeredBy(`HTTP/1.1 200 OK\r\nx-a: ${'y'.repeat(100_000)}\r\n\r\n`)).toMatchObject({ kind: 'broken' })
  })

  test('an answer without a body is one', async () => {
    expect(await answeredBy('HTTP/1.1 204 No Content\r\n\r\n')).toMatchObject({ kind: 'answered', status: 204, body: [] })
  })

  test('100 to a request that expected nothing ends the call, as undici has it, and the next one goes over a new connection', async () => {
    const url = await serveRaw((socket, nth) => socket.write(nth === 1 ? `HTTP/1.1 100 Continue\r\n\r\n${whole}` : whole))
    const { post } = openWire(url)
    expect(await post()).toMatchObject({ kind: 'broken' })
    expect(textOf(await post())).toBe(json)
  })
})
