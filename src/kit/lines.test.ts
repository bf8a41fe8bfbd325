import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitLines } from './lines.ts'

type Told = readonly [number: number, what: string]
const maxLineBytes = 20

/** What is told of a file that comes in these chunks. The memory of each is wiped as soon as it is taken, as by a reader that uses it again. */
function told(chunks: readonly Buffer[]): Told[] {
  const lines: Told[] = []
  const splitter = splitLines({
    maxLineBytes,
    line: (bytes, start, end, number) => void lines.push([number, bytes.toString('latin1', start, end)]),
    tooLong: (number) => void lines.push([number, 'too long']),
  })
  for (const chunk of chunks) {
    splitter.take(chunk)
    chunk.fill(0)
  }
  splitter.end()
  return lines
}

/** The same of the file as a whole, said as simply as can be. */
function expected(file: Buffer): Told[] {
  const lines = file
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
  return lines.flatMap((line, i): Told[] =>
    line.length > maxLineBytes ? [[i + 1, 'too long']] : /^[ \t\r]*$/.test(line) ? [] : [[i + 1, line]],
  )
}

function cut(file: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...at.map((n) => n % (file.length + 1)), file.length].toSorted((a, b) => a - b)
  return ends.map((end, i) => Buffer.from(file.subarray(ends[i - 1] ?? 0, end)))
}

const anyLine = fc.oneof(
  fc.constantFrom('', ' ', '\r', '\t \r', '\uFEFF', '\uFEFF{}', 'a\uFEFFb', '\r{}', '{}\r'),
  fc.string({ maxLength: 8 }),
  fc.integer({ min: maxLineBytes - 1, max: maxLineBytes + 6 }).map((n) => 'x'.repeat(n)),
  fc.constant(' '.repeat(maxLineBytes * 3)),
)
const anyFile = fc
  .record({
    bom: fc.boolean(),
    lines: fc.array(fc.tuple(anyLine, fc.constantFrom('\n', '\r\n')), { maxLength: 6 }),
    last: fc.oneof(fc.constant(''), anyLine),
  })
  .map(({ bom, lines, last }) => Buffer.from((bom ? '\uFEFF' : '') + lines.flat().join('') + last))
const anyBytes = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))

test('however a file is cut, the lines told are those of the whole, and a long one is told once by its number', () => {
  fc.assert(
    fc.property(fc.oneof(anyFile, anyBytes), fc.array(fc.nat(), { maxLength: 8 }), (file, at) => {
      expect(told(cut(file, at))).toEqual(expected(file))
    }),
    { numRuns: 2000 },
  )
})

test('a file that comes byte by byte has the same lines', () => {
  fc.assert(
    fc.property(anyFile, (file) => {
      expect(told([...file].map((byte) => Buffer.from([byte])))).toEqual(expected(file))
    }),
    { numRuns: 300 },
  )
})

test('blank lines count and are not told; a byte order mark is dropped at the start and nowhere else', () => {
  expect(told([Buffer.from('\uFEFF{"a":1}\r\n\n \t\n\uFEFF{}\nend')])).toEqual([
    [1, '{"a":1}'],
    [4, '\xef\xbb\xbf{}'],
    [5, 'end'],
  ])
})

test('neither the mark at the start nor a carriage return counts as length', () => {
  const full = 'x'.repeat(maxLineBytes)
  for (const at of [[], [1], [2, 21], [23], [24]])
    expect(told(cut(Buffer.from(`\uFEFF${full}\r\n${full}\r\nx${full}\r\n`), at))).toEqual([
      [1, full],
      [2, full],
      [3, 'too long'],
    ])
})

test('a line without an end is told when it passes the limit, and nothing of it is held', () => {
  const long: number[] = []
  const lines: string[] = []
  const splitter = splitLines({
    maxLineBytes: 3 * 1024 * 1024,
    line: (bytes, start, end) => void lines.push(bytes.toString('latin1', start, end)),
    tooLong: (number) => void long.push(number),
  })
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  splitter.take(Buffer.from('first\n'))
  for (let i = 0; i < 4; i++) splitter.take(chunk)
  expect(long).toEqual([2])
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 200; i++) splitter.take(chunk)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * chunk.length)
  splitter.take(Buffer.from('\nthird'))
  splitter.end()
  expect([long, lines]).toEqual([[2], ['first', 'third']])
})
