import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scanJson, type Visitor } from './json-scan.ts'

const corpus = process.env.NIGHTSHIFT_JSON_CORPUS ?? new URL('../../test/data/json-corpus-small.jsonl', import.meta.url)
const cases = readFileSync(corpus, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as { name: string; base64: string })
const silent: Visitor = { key() {}, value() {} }

/** What JSON.parse makes of the bytes; undefined: it refuses them. */
function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
const kindOf = (value: unknown) => (value === undefined ? 'invalid' : isObject(value) ? 'object' : 'other')

/** The members that the scanner tells of, as values: the last of a name wins. */
function members(bytes: Buffer): { top: Record<string, unknown>; inner: Record<string, Record<string, unknown>> } {
  const top = Object.create(null) as Record<string, unknown>
  const inner = Object.create(null) as Record<string, Record<string, unknown>>
  const keys = ['', '', '']
  const read = (start: number, end: number) => JSON.parse(bytes.toString('utf8', start, end)) as unknown
  scanJson(bytes, 0, bytes.length, {
    key(depth, start, end) {
      keys[depth] = read(start, end) as string
      if (depth === 1) delete inner[keys[1]!]
    },
    value(depth, start, end) {
      if (depth === 1) top[keys[1]!] = read(start, end)
      else (inner[keys[1]!] ??= Object.create(null) as Record<string, unknown>)[keys[2]!] = read(start, end)
    },
  })
  return { top, inner }
}

describe.each(cases)('$name', ({ base64 }) => {
  test('is decided as JSON.parse decides', () => {
    const bytes = Buffer.from(base64, 'base64')
    if (!isUtf8(bytes) || bytes.toString().startsWith('\uFEFF')) return // NOTE: these two are the line checker's to decide
    expect(scanJson(bytes, 0, bytes.length, silent)).toBe(kindOf(parsed(bytes)))
    const wide = Buffer.concat([bytes, Buffer.alloc(2000, ' ')])
    expect(scanJson(wide, 0, wide.length, silent), 'where four bytes are looked at at once').toBe(kindOf(parsed(wide)))
  })
})

test.for([
  ['a string', '"', 'x'.repeat(2000), '"'],
  ['a number', '', '1'.repeat(2000), ''],
  ['a fraction', '0.', '7'.repeat(2000), ''],
] as const)('any byte at any place of %s that is looked at four bytes at a time', ([, before, middle, after]) => {
  for (let byte = 0; byte < 128; byte++)
    for (const place of [0, 1, 2, 3, 4, 5, 1997, 1998, 1999]) {
      const bytes = Buffer.from(before + middle + after)
      bytes[before.length + place] = byte
      expect(scanJson(bytes, 0, bytes.length, silent), `${byte} at ${place}`).toBe(kindOf(parsed(bytes)))
    }
  for (const byte of ['é', '漢', '😀', '\u007f']) {
    const bytes = Buffer.from(before + middle.slice(0, 5) + byte + middle + after)
    expect(scanJson(bytes, 0, bytes.length, silent), byte).toBe(kindOf(parsed(bytes)))
  }
  const unended = Buffer.from(before + middle)
  for (const end of [unended.length, unended.length - 1, unended.length - 2, unended.length - 3])
    expect(scanJson(unended, 0, end, silent)).toBe(kindOf(parsed(unended.subarray(0, end))))
})

test('a million brackets are no deeper than one', () => {
  const deep = Buffer.from('['.repeat(1_000_000) + ']'.repeat(1_000_000))
  expect(scanJson(deep, 0, deep.length, silent)).toBe('other')
  expect(scanJson(deep, 0, deep.length - 1, silent)).toBe('invalid')
  const mixed = Buffer.from('{"a":['.repeat(100_000) + ']}'.repeat(100_000))
  expect(scanJson(mixed, 0, mixed.length, silent)).toBe('object')
  const crossed = Buffer.from('{"a":['.repeat(100_000) + ']}'.repeat(99_999) + '}]')
  expect(scanJson(crossed, 0, crossed.length, silent)).toBe('invalid')
})

/** Any JSON value, written with any spacing, any escapes, and members that come twice. */
const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n')
const escaped = fc
  .string({ unit: 'grapheme', maxLength: 8 })
  .chain((text) =>
    fc
      .boolean()
      .map((all) =>
        all
          ? `"${[...text].map((c) => [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')).join('')}"`
          : JSON.stringify(text),
      ),
  )
const written = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('null', 'true', 'false', '0', '-1.5e3', '12345678901234567890', '1E+2', '"\\ud800"', '""'),
    escaped,
    fc
      .array(
        fc.tuple(space, tie('value'), space).map((p) => p.join('')),
        { maxLength: 4 },
      )
      .map((items) => `[${items.join(',')}]`),
    tie('object'),
  ),
  object: fc
    .array(
      fc
        .tuple(space, fc.oneof(escaped, fc.constantFrom('"body"', '"b\\u006fdy"', '"a"')), space, space, tie('value'), space)
        .map(([a, k, b, c, v, d]) => `${a}${k}${b}:${c}${v}${d}`),
      { maxLength: 5 },
    )
    .map((items) => `{${items.join(',')}}`),
})).object

test('members are where JSON.parse finds them, however they are written', () => {
  fc.assert(
    fc.property(written, (text) => {
      const bytes = Buffer.from(text)
      const value = parsed(bytes) as Record<string, unknown>
      const { top, inner } = members(bytes)
      expect(new Map(Object.entries(top))).toEqual(new Map(Object.entries(value)))
      for (const [name, within] of Object.entries(inner)) {
        if (!isObject(value[name])) continue
        expect(new Map(Object.entries(within))).toEqual(new Map(Object.entries(value[name] as object)))
      }
    }),
    { numRuns: 500 },
  )
})

test('a text with a byte changed is accepted exactly when JSON.parse accepts it', () => {
  fc.assert(
    fc.property(written, fc.nat(), fc.integer({ min: 0, max: 127 }), (text, at, byte) => {
      const bytes = Buffer.from(text)
      bytes[at % bytes.length] = byte
      if (isUtf8(bytes)) expect(scanJson(bytes, 0, bytes.length, silent)).toBe(kindOf(parsed(bytes)))
    }),
    { numRuns: 1000 },
  )
})

test('long lists of numbers are decided as JSON.parse decides, also with one byte of them changed', () => {
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.integer().map(String),
    fc.constantFrom('0', '-0', '0.5', '1.25e-7', '-3', '00', '-', '.5', '1.', '1e', '+1', '', 'null', '"a"', '[1,2]'),
  )
  const good = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1, max: 1 }).map((n) => n.toFixed(17))
  const list = fc.tuple(fc.array(good, { minLength: 60, maxLength: 70 }), fc.array(number, { maxLength: 3 }), fc.nat(60))
  fc.assert(
    fc.property(list, fc.nat(), fc.nat(127), fc.boolean(), fc.nat(60), ([numbers, odd, at], place, byte, change, cut) => {
      const bytes = Buffer.from(`{"a":[${[...numbers.slice(0, at), ...odd, ...numbers.slice(at)].join(',')}]}`)
      if (change) bytes[place % bytes.length] = byte
      expect(scanJson(bytes, 0, bytes.length, silent)).toBe(kindOf(parsed(bytes)))
      const [start, end] = [bytes.indexOf('['), bytes.length - 1 - cut]
      const closed = Buffer.concat([bytes.subarray(start, end), Buffer.from(']')])
      expect(scanJson(bytes, start, end, silent), 'cut off, with more behind it').toBe(kindOf(parsed(bytes.subarray(start, end))))
      expect(scanJson(closed, 0, closed.length, silent), 'closed earlier').toBe(kindOf(parsed(closed)))
    }),
    { numRuns: 2000 },
  )
})
