import fc from 'fast-check'
import { expect, test } from 'vitest'
import { plannedBytes, readPlanned, writePlanHeader } from '../../domain/plan-format.ts'
import { makePages, type Pages } from './pages.ts'

const mebibyte = 1024 * 1024
interface Line {
  readonly idBytes: number
  readonly bodyBytes: number
}

/** Writes a line whose bytes tell its number, from a source that is wiped afterwards; gives the planned line as it must come out. */
function write(pages: Pages, { idBytes, bodyBytes }: Line, number: number): Buffer {
  const source = Buffer.alloc(7 + idBytes + 3 + bodyBytes + 2, '.')
  const at = { customIdStart: 7, customIdEnd: 7 + idBytes, bodyStart: 10 + idBytes, bodyEnd: 10 + idBytes + bodyBytes }
  source.fill(`i${number}`, at.customIdStart, at.customIdEnd)
  source.fill(`b${number}`, at.bodyStart, at.bodyEnd)
  const size = plannedBytes(idBytes, bodyBytes)
  const planned = Buffer.alloc(10)
  writePlanHeader(planned, 0, number, idBytes, bodyBytes)
  const expected = Buffer.concat([
    planned,
    source.subarray(at.customIdStart, at.customIdEnd),
    source.subarray(at.bodyStart, at.bodyEnd),
  ])
  pages.write(source, at, number, size)
  source.fill(0)
  return expected
}

const small = fc.record({ idBytes: fc.integer({ min: 3, max: 600 }), bodyBytes: fc.integer({ min: 2, max: 400_000 }) })
const edge = fc.integer({ min: -12, max: 12 }).map((n) => ({ idBytes: 4, bodyBytes: mebibyte - 14 + n }))
const large = fc.record({ idBytes: fc.constant(3), bodyBytes: fc.integer({ min: mebibyte, max: 3 * mebibyte }) })
const anyLine = fc.oneof({ weight: 6, arbitrary: small }, edge, large)
/** Rounds as the plan makes them: lines, then the full pages are given; more lines may come before they are written. */
const anyRounds = fc.array(
  fc.record({ before: fc.array(anyLine, { maxLength: 5 }), meanwhile: fc.array(anyLine, { maxLength: 2 }) }),
  {
    maxLength: 6,
  },
)

test('what is written comes out as the same bytes, whatever sizes lines have and though memory is used again', () => {
  fc.assert(
    fc.property(anyRounds, (rounds) => {
      const pages = makePages()
      const expected: Buffer[] = []
      const written: Buffer[] = []
      for (const { before, meanwhile } of rounds) {
        for (const line of before) expected.push(write(pages, line, expected.length + 1))
        const full = pages.full()
        for (const line of meanwhile) expected.push(write(pages, line, expected.length + 1))
        written.push(...full.map((page) => Buffer.from(page)))
        pages.written()
        pages.written()
        for (const page of full) page.fill(0)
      }
      written.push(...pages.rest())
      expect(Buffer.concat(written).equals(Buffer.concat(expected))).toBe(true)
    }),
    { numRuns: 60 },
  )
})

test('a line that just fills a page is whole, and so is one with a byte more', () => {
  for (let over = -2; over <= 2; over++)
    for (const first of [[], [{ idBytes: 3, bodyBytes: 500_000 - 13 }]]) {
      const pages = makePages()
      const left = mebibyte - first.length * 500_000
      const sizes = [...first, { idBytes: 4, bodyBytes: left - 14 + over }, { idBytes: 3, bodyBytes: 5 }]
      const expected = Buffer.concat(sizes.map((size, i) => write(pages, size, i + 1)))
      expect(Buffer.concat(pages.rest()).equals(expected)).toBe(true)
    }
})

test('a page has whole lines only', () => {
  const pages = makePages()
  for (let number = 1; number <= 20; number++) write(pages, { idBytes: 3, bodyBytes: 300_000 }, number)
  const numbers: number[] = []
  for (const page of [...pages.full(), ...pages.rest()])
    for (let at = 0; at < page.length;) {
      const found = readPlanned(page, at)
      numbers.push(found!.line.number)
      at = found!.next
    }
  expect(numbers).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
})

test('pages are given only when they have no room left, the rest at the end, nothing twice', () => {
  const pages = makePages()
  write(pages, { idBytes: 3, bodyBytes: 100 }, 1)
  expect(pages.full()).toEqual([])
  expect(pages.rest().map((page) => page.length)).toEqual([113])
  expect(pages.full()).toEqual([])
  expect(pages.rest()).toEqual([])
})

test('however much is written, it goes through the same few stretches of memory', () => {
  const pages = makePages()
  const stretches = new Set<ArrayBufferLike>()
  for (let number = 1; number <= 300; number++) {
    write(pages, { idBytes: 3, bodyBytes: 200_000 }, number)
    for (const page of pages.full()) stretches.add(page.buffer)
    pages.written()
  }
  expect(stretches.size).toBeLessThanOrEqual(3)
})
