import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** The map of the house (docs/spec.md, "Rooms"): what each room may import beside itself. */
const may: Record<string, readonly string[]> = {
  domain: [],
  kit: [],
  'events.ts': ['domain', 'kit'],
  store: ['domain', 'kit', 'events.ts'],
  blobs: ['domain', 'kit', 'events.ts'],
  dispatch: ['domain', 'kit', 'events.ts'],
  worker: ['domain', 'store', 'blobs', 'dispatch', 'kit', 'events.ts'],
  auth: ['domain', 'store', 'kit', 'events.ts'],
  api: ['domain', 'store', 'blobs', 'auth', 'kit', 'events.ts'],
  'client.ts': ['domain'],
  console: ['domain', 'client.ts'],
  'config.ts': ['domain', 'kit', 'config'],
  config: ['domain', 'kit'],
  'engine.ts': ['domain', 'kit', 'store', 'blobs', 'dispatch', 'worker', 'events.ts', 'config.ts', 'config'],
  'workers.ts': ['engine.ts', 'domain', 'kit', 'store', 'dispatch', 'config.ts'],
  'worker-process.ts': ['engine.ts', 'workers.ts', 'kit'],
  'app.ts': ['engine.ts', 'workers.ts', 'domain', 'kit', 'store', 'dispatch', 'auth', 'api', 'config.ts'],
  'operating.ts': ['domain', 'kit', 'store', 'blobs', 'api', 'worker', 'config.ts', 'config'],
  'run-file.ts': ['engine.ts', 'auth', 'config.ts', 'domain', 'store'],
  cli: ['operating.ts', 'run-file.ts', 'client.ts', 'config.ts', 'config', 'app.ts', 'domain', 'kit'],
}
const src = join(import.meta.dirname, '../src')
const roomOf = (file: string) => relative(src, file).split('/')[0] ?? ''
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((f) => f.endsWith('.ts') && !f.endsWith('.test.ts'))
  .map((f) => join(src, f))
const importsOf = (file: string) =>
  [
    ...readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^'\n]*(?:\n[^'\n]*)*?from '(\.[^']+)'|^import '(\.[^']+)'/gm),
  ].map((m) => join(dirname(file), m[1] ?? m[2] ?? ''))

test('every import follows the map of the rooms', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((to) => roomOf(to) !== roomOf(file) && !may[roomOf(file)]?.includes(roomOf(to)))
      .map((to) => `${relative(src, file)} -> ${relative(src, to)}`),
  )
  expect(wrong).toEqual([])
})

test('no import cycle', () => {
  const done = new Set<string>()
  const walk = (file: string, path: readonly string[]): string[] => {
    if (path.includes(file)) return [[...path.slice(path.indexOf(file)), file].map((f) => relative(src, f)).join(' -> ')]
    if (done.has(file)) return []
    const found = importsOf(file).flatMap((to) => walk(to, [...path, file]))
    done.add(file)
    return found
  }
  expect(files.flatMap((file) => walk(file, []))).toEqual([])
})
