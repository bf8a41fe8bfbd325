import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fileNameOf } from './file-name.ts'

test.each([
  [null, '/a/b.wav', 'b.wav'],
  [null, '/a/b%20c%C3%BC.wav?x=/y.mp3#/z', 'b cü.wav'],
  [null, '/', null],
  [null, '/a/', null],
  [null, '/a/..%2f..%2fetc%2fpasswd', 'passwd'],
  [null, '/a/%2e%2e', null],
  [null, '/.htaccess', 'htaccess'],
  [null, '/%ff.wav', '%ff.wav'],
  [null, '/a%00%0a%e2%80%aeb.wav', 'ab.wav'],
  ['attachment', '/b.wav', 'b.wav'],
  ['attachment; filename=c.wav', '/b.wav', 'c.wav'],
  ['attachment; filename="c \\"d\\".wav"; x=y', '/b.wav', 'c d.wav'],
  ['inline; FileName = "../../etc/c.wav"', '/', 'c.wav'],
  ['inline; filename="C:\\\\temp\\\\c.wav"', '/', 'c.wav'],
  [`attachment; filename="c.wav"; filename*=UTF-8''%e2%82%ac%20rates.wav`, '/b', '€ rates.wav'],
  [`attachment; filename*=utf-8'en'c.wav`, '/b', 'c.wav'],
  [`attachment; filename*=iso-8859-1''%a3.wav`, '/b.wav', 'b.wav'],
  ['attachment; filename=""', '/b.wav', 'b.wav'],
  ['attachment; filename="unclosed', '/b.wav', 'b.wav'],
])('%j and %s are named %j', (disposition, path, name) => expect(fileNameOf(disposition, path)).toBe(name))

test('a long name keeps its ending', () => {
  expect(fileNameOf(null, `/${'x'.repeat(500)}.wav`)).toMatch(/^x{116}\.wav$/)
})

test('whatever it is made from, a name has no folder, is short and can be seen', () => {
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.stringMatching(/^[a%0-9f./\\;="']{0,40}$/))
  fc.assert(
    fc.property(text, text, (header, path) => {
      const name = fileNameOf(`attachment; filename="${header}"`, path)
      if (name !== null) expect(name).toMatch(/^(?!\.)[^/\\\p{Cc}"]{1,240}$/u)
    }),
    { numRuns: 2000 },
  )
})
