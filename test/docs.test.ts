import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { flagOf, options, variableOf, type OptionName } from '../src/config/options.ts'
import { simulateDefaults } from '../src/domain/simulate-options.ts'

const root = join(import.meta.dirname, '..')
const files = (folder: string, wanted: RegExp): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => wanted.test(name))
    .map((name) => join(folder, name))
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...files('docs', /\.md$/)]
const shipped = files('deploy', /(\.(yaml|service|tpl|txt)|Dockerfile)$/)
const read = (name: string): string => readFileSync(join(root, name), 'utf8')

const names = Object.keys(options) as OptionName[]
const kebab = (name: string) => `--${name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`
/** Flags of the program; and those of others, of benches and of tools that the pages name. */
const flags = new Set([...names.map(flagOf), ...Object.keys(simulateDefaults).map(kebab)])
for (const own of [
  'backend',
  'config',
  'json',
  'url',
  'key',
  'verbose',
  'watch',
  'restart',
  'lines',
  'project',
  'limit',
  'follow',
  'after',
  'merged',
  'format',
  'code',
  'status',
  'name',
  'right',
  'operator',
  'expires',
  'rate',
  'event',
  'dry-run',
  'yes',
  'all',
  'by',
])
  flags.add(`--${own}`)
const others = ['big', '10gb', 'fleet', 'seeds', 'seed', 'bug', 'bugs', 'minutes', 'now']
for (const subject of ['second-key', 'second-project', 'bucket', 'bucket-dir', 'backend-control', 'model']) others.push(subject)
for (const other of others) flags.add(`--${other}`)

test('every flag that the pages and deploy/ name is one of the program', () => {
  const wrong = [...pages, ...shipped]
    .filter((name) => !name.includes('Dockerfile') && !name.includes('compose'))
    .flatMap((name) => [...read(name).matchAll(/(?<![\w-])--[a-z][a-z0-9-]+/g)].map(([flag]) => `${name}: ${flag}`))
  expect(wrong.filter((one) => !flags.has(one.split(': ')[1] ?? ''))).toEqual([])
})

test('every variable that they name is read', () => {
  const known = new Set([
    ...names.map(variableOf),
    'NIGHTSHIFT_CONFIG',
    'NIGHTSHIFT_URL',
    'NIGHTSHIFT_API_KEY',
    'NIGHTSHIFT_BACKEND',
    'NIGHTSHIFT_BACKEND_KEY',
    'NIGHTSHIFT_SIGNING_KEY',
    'NIGHTSHIFT_OLD_SIGNING_KEY',
  ])
  for (const test of files('test', /\.ts$/).concat(files('src', /\.test\.ts$/)))
    for (const [name] of read(test).matchAll(/NIGHTSHIFT_[A-Z0-9_]+/g)) known.add(name)
  const wrong = [...pages, ...shipped].flatMap((name) =>
    [...read(name).matchAll(/NIGHTSHIFT_[A-Z0-9_]*[A-Z0-9]/g)]
      .filter(([one]) => !known.has(one))
      .map(([one]) => `${name}: ${one}`),
  )
  expect(wrong).toEqual([])
})

test('every page, file and test that the pages name is there', () => {
  const wrong = pages.flatMap((name) => {
    const links = [...read(name).matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)/g)].map(([, to = '']) => join(dirname(name), to))
    const tests = [...read(name).matchAll(/`((?:src|test|docs|deploy|examples|scripts|bench)\/[\w./-]+\.(?:ts|sh|md|yaml))`/g)]
    return [...links, ...tests.map(([, to = '']) => to)].filter((to) => !existsSync(join(root, to))).map((to) => `${name}: ${to}`)
  })
  expect(wrong).toEqual([])
})

test('what a service of the compose file leans on is in it', () => {
  interface Service {
    readonly depends_on?: Readonly<Record<string, unknown>>
    readonly volumes?: readonly string[]
  }
  const { services, volumes } = parse(read('deploy/compose.yaml'), { merge: true }) as {
    services: Readonly<Record<string, Service>>
    volumes: Readonly<Record<string, unknown>>
  }
  for (const [name, service] of Object.entries(services)) {
    expect(Object.keys(services), name).toEqual(expect.arrayContaining(Object.keys(service.depends_on ?? {})))
    const named = (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '').filter((volume) => /^\w+$/.test(volume))
    expect(Object.keys(volumes), name).toEqual(expect.arrayContaining(named))
  }
})
