import { expect, test } from 'vitest'
import { csvHead, mergedCsv, mergedJson, type Merged } from './merged.ts'
import { answeredMiddle, answeredTail, unansweredTail } from './result.ts'

const answered = (body: string, status = 200) => `${answeredMiddle(status, 'r"1')}${body}${answeredTail.toString()}`
function merged(ending: string, { id = '"a"', request = '{"model":"m","n":1.0}' } = {}): Merged {
  const head = `{"id":"x","custom_id":${id}`
  const result = Buffer.from(`${head}${ending}`.trimEnd())
  return { customId: Buffer.from(id), request: Buffer.from(request), result, customIdEnd: Buffer.byteLength(head) }
}
const row = (...of: Parameters<typeof merged>) => mergedCsv(merged(...of))

test('as JSON, the request stands behind the custom_id, and no byte of either is another', () => {
  expect(mergedJson(merged(answered('{"big":12345678901234567890}'), { id: '"\\u00fc"' })).toString()).toBe(
    `{"id":"x","custom_id":"\\u00fc","request":{"model":"m","n":1.0},"response":{"status_code":200,"request_id":"r\\"1","body":{"big":12345678901234567890}},"error":null}\n`,
  )
})

test.each([
  ['a chat', '{"choices":[{"message":{"role":"assistant","content":"hi"}}]}', 'hi'],
  ['a completion', '{"choices":[{"text":"hi"}]}', 'hi'],
  ['a response', '{"output":[{"type":"reasoning"},{"content":[{"type":"output_text","text":"h"},{"text":"i"}]}]}', 'hi'],
  [
    'a chat in parts',
    '{"choices":[{"message":{"content":[{"type":"thinking","thinking":"x","text":"no"},{"type":"text","text":"hi"}]}}]}',
    'hi',
  ],
  [
    'a response that tells its reasoning',
    '{"output":[{"type":"reasoning","content":[{"type":"reasoning_text","text":"hm"}]},{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}',
    'hi',
  ],
  ['a transcription', '{"text":"hi"}', 'hi'],
  ['an embedding', '{"data":[{"embedding":[1,2]}]}', ''],
])('as CSV, the answer of %s is a column, and the body as it was is one', (_, body, answer) => {
  expect(row(answered(body)).trimEnd().split(',').slice(0, 3)).toEqual(['a', '200', answer])
  expect(row(answered(body))).toContain(`"${body.replaceAll('"', '""')}"`)
})

test('as CSV, a line that failed has its code and message; one that has no answer has no status', () => {
  expect(row(answered('{"object":"error","message":"too long","code":400}', 400))).toMatch(/^a,400,,400,too long,/)
  expect(row(answered('{"detail":"Not Found"}', 404))).toMatch(/^a,404,,,Not Found,/)
  expect(row(answered('{"error":"busy","error_type":"overloaded"}', 424))).toMatch(/^a,424,,,busy,/)
  const refused = row(answered('{"error":{"message":"too long, \\"much\\"","code":"length"}}', 400))
  expect(refused).toMatch(/^a,400,,length,"too long, ""much""","/)
  expect(row(unansweredTail('batch_expired', 'over'))).toBe('a,,,batch_expired,over,"{""model"":""m"",""n"":1.0}",\r\n')
})

test('as CSV, quotes, commas and line breaks are quoted, and ids are decoded', () => {
  const text = row(answered('{"text":"a\\nb"}'), { id: '"\\u0061, \\"b\\""' })
  expect(text).toMatch(/^"a, ""b""",200,"a\nb",/)
  expect(csvHead.trimEnd().split(',')).toHaveLength(7)
})
