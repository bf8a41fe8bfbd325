import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporary } from './temporary.ts'

const filled = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-temporary-'))
  await writeFile(join(folder, 'part'), 'x')
  return folder
}

test('it is gone when it is disposed, and then nothing listens for the end any more', async () => {
  const folder = await filled()
  const before = ['exit', 'SIGINT', 'SIGTERM'].map((name) => process.listenerCount(name))
  {
    using _ = temporary(folder)
    expect(existsSync(folder)).toBe(true)
  }
  expect(existsSync(folder)).toBe(false)
  expect(['exit', 'SIGINT', 'SIGTERM'].map((name) => process.listenerCount(name))).toEqual(before)
})

test.for([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('it is gone when %s ends the process, which says so: %i', async ([signal, code]) => {
  const folder = await filled()
  const script = `import { temporary } from ${JSON.stringify(new URL('./temporary.ts', import.meta.url).href)}
    temporary(${JSON.stringify(folder)}); setInterval(() => {}, 1000); console.log('there')`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  expect(existsSync(folder)).toBe(true)
  child.kill(signal)
  expect(await once(child, 'exit')).toEqual([code, null])
  expect(existsSync(folder)).toBe(false)
})
