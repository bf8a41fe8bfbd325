import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rewritten, withAliases } from './rewrite.ts'

const name = Buffer.from('"org/Model-3.2"')
const ten = Buffer.from('10')
const text = (body: string, model: Buffer | null, priority: Buffer | null = null) =>
  rewritten(Buffer.from(body), { model, priority }).toString()

test.each([
  ['{"model":"m","messages":[]}', '{"model":"org/Model-3.2","messages":[]}'],
  ['{ "messages" : [ {"model":"m"} ] , "model" :\t"m" }', '{ "messages" : [ {"model":"m"} ] , "model" :\t"org/Model-3.2" }'],
  ['{"model":"x","n":1e0,"model":"m"}', '{"model":"org/Model-3.2","n":1e0,"model":"org/Model-3.2"}'],
  ['{"mod\\u0065l":"m","big":12345678901234567890}', '{"mod\\u0065l":"org/Model-3.2","big":12345678901234567890}'],
  ['{"options":{"model":"m"},"model":"m"}', '{"options":{"model":"m"},"model":"org/Model-3.2"}'],
])('only the model is replaced, wherever and however it stands: %s', (body, expected) => {
  expect(text(body, name)).toBe(expected)
})

test('a priority is added where there is none, and the user keeps theirs', () => {
  expect(text(' {"model":"m"}', null, ten)).toBe(' {"priority":10,"model":"m"}')
  expect(text('{"model":"m","priority":-1}', null, ten)).toBe('{"model":"m","priority":-1}')
  expect(text('{"model":"m","x":{"priority":1}}', name, ten)).toBe('{"priority":10,"model":"org/Model-3.2","x":{"priority":1}}')
})

test('whatever else is in a body stays as it is', () => {
  const members = fc.dictionary(fc.string(), fc.jsonValue())
  fc.assert(
    fc.property(members, members, fc.boolean(), (before, after, spaced) => {
      const body = JSON.stringify(Object.assign({}, before, { model: 'x' }, after, { model: 'm' }), null, spaced ? 2 : 0)
      const made = JSON.parse(text(body, name, ten)) as object
      const expected = JSON.parse(body) as Record<string, unknown>
      expect(made).toEqual({ ...('priority' in expected ? {} : { priority: 10 }), ...expected, model: 'org/Model-3.2' })
    }),
  )
})

test('aliases are there where what they stand for is', () => {
  expect(withAliases(['a', 'b'], { small: 'a', large: 'c', b: 'b' })).toEqual(['a', 'b', 'small'])
  expect(withAliases(['a'])).toEqual(['a'])
})
