import { expect, test } from 'vitest'
import { endpointOf } from './endpoints.ts'
import { makeLineChecker } from './line.ts'

const bodies: Record<string, object> = {
  '/v1/chat/completions': { messages: [] },
  '/v1/responses': { input: 'Hi' },
  '/v1/embeddings': { input: 'Hi' },
}

/** The codes and params of what is wrong with a line; empty: nothing. */
function wrongIn(url: string, more: object): (string | null)[][] {
  const endpoint = endpointOf(url)
  if (!endpoint) throw new Error(`no endpoint ${url}`)
  const text = JSON.stringify({ custom_id: 'a', method: 'POST', url, body: { model: 'm', ...bodies[url], ...more } })
  const line = Buffer.from(text)
  const checked = makeLineChecker(endpoint).check(line, 0, line.length, 7)
  return checked.kind === 'bad' ? checked.errors.map(({ code, param }) => [code, param]) : []
}

test.for([
  [{ background: true }, 'background'],
  [{ background: 'yes' }, 'background'],
  [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
  [{ previous_response_id: '' }, 'previous_response_id'],
])('a response that a batch cannot honour is refused: %j', ([more, name]) => {
  expect(wrongIn('/v1/responses', more as object)).toEqual([['unsupported_parameter', `body.${name as string}`]])
})

test.for([{ background: false, previous_response_id: null }, { background: null }, { store: false }, {}])(
  'a response that asks for nothing of the kind is not: %j',
  (more) => {
    expect(wrongIn('/v1/responses', more)).toEqual([])
  },
)

test('to other endpoints these are unknown fields, which pass', () => {
  for (const url of ['/v1/chat/completions', '/v1/embeddings'])
    expect(wrongIn(url, { background: true, previous_response_id: 'x' })).toEqual([])
})

test('everything that is wrong is told, with the number of the line', () => {
  expect(wrongIn('/v1/responses', { stream: true, background: true, input: null })).toEqual([
    ['missing_required_parameter', 'body.input'],
    ['streaming_unsupported', 'body.stream'],
    ['unsupported_parameter', 'body.background'],
  ])
})
