import fc from 'fast-check'
import { expect, test } from 'vitest'
import { usageIn } from './answer-usage.ts'
import { endingOf, readHead } from './answer.ts'

const ending = (status: number, ...body: (string | Buffer)[]) => {
  const all = endingOf({ kind: 'answered', status, requestId: 'r', retryAfterMs: null, body: body.map((b) => Buffer.from(b)) })
  return all.kind === 'answered' ? { ...all, body: Buffer.concat(all.body).toString() } : all
}

test('a good answer keeps its bytes: big integers, key order, number forms', () => {
  const text = '{"z":12345678901234567890,"a":1.0e+2,"t":"\\ud800 \\u00e9 é"}'
  expect(ending(200, text)).toMatchObject({ kind: 'answered', status: 200, requestId: 'r', body: text })
})

test('a BOM is dropped and raw line breaks become spaces', () => {
  expect(ending(200, '\ufeff{\r\n  "a": "x\\ny"\n}')).toMatchObject({ body: '{    "a": "x\\ny" }' })
})

test('an answer in many pieces, cut within a character, is one answer', () => {
  const bytes = Buffer.from('{"a":"é€😀"}')
  expect(ending(200, ...[...bytes].map((b) => Buffer.from([b])))).toMatchObject({ body: '{"a":"é€😀"}' })
})

test('answers in pieces, of whatever size, come out as they were, one after the other', () => {
  for (const length of [10, 70_000, 5, 1_500_000, 300_000, 1_048_576, 20]) {
    const text = `"${String.fromCharCode(97 + (length % 26)).repeat(length)}"`
    const cut = Math.floor(length / 3)
    expect(ending(200, text.slice(0, cut), text.slice(cut))).toMatchObject({ kind: 'answered', body: text })
  }
})

test('usage is read on the way, of good answers only', () => {
  const text = '{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}'
  expect(ending(200, text)).toMatchObject({ usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 } })
  expect(ending(400, text)).toMatchObject({ usage: { totalTokens: 0 } })
})

test('a short answer, which is looked through, tells the same as a long one, which is parsed', () => {
  const counted = fc.constantFrom('"prompt_tokens"', '"prompt_tok\\u0065ns"', '"output_tokens"', '"total_tokens"', '"cost"')
  const number = fc.oneof(
    fc.integer().map(String),
    fc.constantFrom('0', '-0', '7e2', '5.0', '1E400', '9007199254740993', '123456789012345', 'null'),
  )
  const counts = fc.array(fc.tuple(counted, number), { maxLength: 4 }).map((all) => all.map(([k, n]) => `${k}: ${n}`))
  const details = fc.jsonValue().map((value) => [`"input_tokens_details":${JSON.stringify(value)}`])
  const usage = fc.tuple(counts, fc.oneof(fc.constant([]), details)).map((all) => `{${all.flat().join(' , ')}}`)
  const key = fc.constantFrom('"usage"', '"us\\u0061ge"', '"usagf"', '"model"', '"x\\n"')
  const value = fc.oneof(
    usage,
    fc.jsonValue().map((any) => JSON.stringify(any)),
  )
  const member = fc.tuple(key, value).map(([name, text]) => `${name} : ${text}`)
  const object = fc.array(member, { maxLength: 4 }).map((members) => `{${members.join(' ,')}}`)
  const text = fc.oneof(
    object,
    object,
    fc.json(),
    object.map((o) => `[${o}]`),
  )
  const broken = fc
    .tuple(text, fc.nat(), fc.string({ maxLength: 1 }))
    .map(([t, n, c]) => t.slice(0, n % (t.length + 1)) + c + t.slice((n % (t.length + 1)) + 1))
  fc.assert(
    fc.property(fc.oneof(text, broken), (short) => {
      fc.pre(Buffer.byteLength(short) <= 2048)
      expect(usageIn(Buffer.from(short))).toEqual(usageIn(Buffer.from(short + ' '.repeat(2048))))
    }),
    { numRuns: 2000 },
  )
})

test.each(['', 'ok', '<html>', '{"a":1', '{"a":"x\ny"}', '{} {}', 'NaN'])('a 2xx that is not JSON is no result: %j', (text) => {
  expect(ending(200, text)).toMatchObject({ kind: 'unanswered', code: 'invalid_response' })
})

test('a 2xx that is not UTF-8 is no result', () => {
  expect(ending(200, Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ kind: 'unanswered', code: 'invalid_response' })
})

test('an error keeps its JSON, and its text when it is not JSON', () => {
  expect(ending(400, '{"error":{"message":"no"}}')).toMatchObject({ status: 400, body: '{"error":{"message":"no"}}' })
  expect(ending(502, '<h1>bad\n"gateway"</h1>')).toMatchObject({ body: '{"error":{"message":"<h1>bad\\n\\"gateway\\"</h1>"}}' })
  expect(ending(500, Buffer.from([0x61, 0xff]))).toMatchObject({ body: '{"error":{"message":"a\ufffd"}}' })
  expect(ending(404)).toMatchObject({ body: '{"error":{"message":"HTTP 404 with an empty body"}}' })
})

test.each([
  [
    'OpenAI',
    '{\n  "error": {\n    "message": "no",\n    "type": "invalid_request_error",\n    "param": null,\n    "code": null\n  }\n}\n',
  ],
  ['vLLM', '{"object":"error","message":"no","type":"BadRequestError","param":null,"code":400}'],
  ['llama.cpp', '{"error":{"code":400,"message":"no","type":"exceed_context_size_error","n_prompt_tokens":9412,"n_ctx":8192}}'],
  ['TEI', '{"message":"no","code":413,"type":"Validation"}'],
  ['TGI', '{"error":"no","error_type":"validation"}'],
  ['FastAPI', '{"detail":[{"loc":["body",0],"msg":"no"}]}'],
  ['a JSON text', '"Internal Server Error"'],
])('the error of %s is its JSON as it came, on one line', (_, text) => {
  expect(ending(400, text)).toMatchObject({ kind: 'answered', body: text.replaceAll('\n', ' ') })
})

test('of an error that is a whole page, only the beginning is kept', () => {
  const { body } = ending(500, 'x'.repeat(1e6)) as { body: string }
  expect(body.length).toBeLessThan(20_000)
})

const headOf = (raw: readonly string[]) =>
  readHead(
    raw.map((text) => Buffer.from(text)),
    () => 0,
  )

test('of the headers only what matters is read, whatever its case', () => {
  const raw = [
    'Content-Type',
    'application/json',
    'X-Request-ID',
    'abc',
    'RETRY-AFTER',
    '2',
    'content-encoding',
    'GZIP',
    'x-abcdefghi',
    'no',
    'Content-Length',
    '7',
  ]
  expect(headOf(raw)).toEqual({ requestId: 'abc', retryAfterMs: 2000, encoding: 'gzip', isDelimited: true })
})

test.each([
  ['CONTENT-LENGTH', true],
  ['transfer-encoding', true],
  ['Content-Digest', false],
  ['x-forwarded-hosts', false],
])('an answer with %s says where it ends: %j', (name, isDelimited) => {
  expect(headOf([name, '1'])).toMatchObject({ isDelimited })
})
