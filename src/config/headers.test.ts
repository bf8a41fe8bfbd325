import { expect, test } from 'vitest'
import { parseBackend } from './backends.ts'

const parse = (more: Record<string, unknown>) => parseBackend({ url: 'http://h', ...more }, { where: 'here', base: '.', env: {} })

test('headers are names and values, as text', () => {
  expect(parse({ headers: { 'X-Team': 'night', 'x-n': 7, host: 'other' } }).headers).toEqual({
    'X-Team': 'night',
    'x-n': '7',
    host: 'other',
  })
})

test.each(['Expect', 'content-length', 'Transfer-Encoding', 'connection', 'Keep-Alive', 'upgrade'])(
  '%s is not for a backend to have: it would break every request',
  (name) => {
    expect(() => parse({ headers: { [name]: 'x' } })).toThrow(`here: the headers of http://h: '${name}' cannot be set`)
  },
)

test('what no header may hold is refused before anything is sent, and not shown', () => {
  expect(() => parse({ headers: { 'x y': '1' } })).toThrow("'x y' is not the name of a header")
  for (const wrong of [{ headers: { 'x-key': 'se\ncret' } }, { key: 'se\ncret' }]) {
    expect(() => parse(wrong)).toThrow(/has characters that no header may have/)
    expect(() => parse(wrong)).toThrow(expect.not.stringContaining('cret') as never)
  }
  expect(() => parse({ headers: ['x'] })).toThrow('must be names and values')
})
