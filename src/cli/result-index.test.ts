import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { makeResultIndex, openLines } from './result-index.ts'

test('each line is found where it was put, and no other', () =>
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 50_000 })), (lines) => {
      const index = makeResultIndex()
      for (const line of lines) index.add(line, line % 2, line * 2 ** 30)
      expect(index.count).toBe(lines.length)
      for (const line of lines) expect(index.find(line)).toEqual({ file: line % 2, offset: line * 2 ** 30 })
      expect(index.find(50_001)).toBeNull()
    }),
  ))

test('a line that has two results is told', () => {
  const index = makeResultIndex()
  index.add(7, 0, 0)
  expect(() => index.add(7, 1, 100)).toThrow('line 7 has two results')
})

test('lines are read from anywhere, in any order, also those that are longer than what is read at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-lines-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const lines = Array.from({ length: 40 }, (_, i) => `${i}:`.padEnd(i % 7 === 0 ? 3_000_000 : i * 1000 + 5, 'x'))
  const path = join(folder, 'lines')
  await writeFile(path, `${lines.join('\n')}\nno end`)
  const offsets = lines.map((_, i) => lines.slice(0, i).reduce((sum, { length }) => sum + length + 1, 0))
  using file = openLines(path)
  for (const i of [0, 1, 2, 3, 39, 38, 0, 20, 21, 22, 7, 6, 8])
    expect(file.at(offsets[i] ?? 0).toString() === lines[i], `line ${i}`).toBe(true)
  expect(() => file.at((offsets.at(-1) ?? 0) + (lines.at(-1) ?? '').length + 1)).toThrow('ends within a line')
})
