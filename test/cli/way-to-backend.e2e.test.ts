import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { linesOf, model, times } from '../conformance/lines.ts'
import { forwardProxy } from '../support/forward-proxy.ts'
import { listen } from '../support/open-wire.ts'
import { expectFailure, openFolder, run } from './program.ts'

const tls = join(import.meta.dirname, '../data/tls')
const pem = (name: string) => readFileSync(join(tls, `${name}.pem`))
const url = 'https://gpu.test:8443'

/** A simulator as in a closed network: TLS with an authority of its own and a certificate of the caller, under a name that only a proxy knows. */
async function closedNetwork() {
  const simulator = await startSimulator({ models: [model], firstTokenMs: 0, tokenMs: 0 })
  onTestFinished(() => simulator[Symbol.asyncDispose]())
  const own = { key: pem('localhost.key'), cert: pem('localhost'), ca: pem('ca'), requestCert: true, rejectUnauthorized: true }
  const door = createServer(own, (socket) => {
    const within = connect(Number(new URL(simulator.url).port), '127.0.0.1')
    socket.on('error', () => within.destroy()).pipe(within)
    within.on('error', () => socket.destroy()).pipe(socket)
  })
  const proxy = await forwardProxy({ leads: { 'gpu.test:8443': await listen(door) }, user: 'night:p@ss' })
  const folder = await openFolder()
  onTestFinished(() => folder[Symbol.asyncDispose]())
  const paths = (names: readonly string[]) => names.map((name) => `${name}: ${join(tls, files[name] ?? '')}`).join(', ')
  const files: Readonly<Record<string, string>> = { ca: 'ca.pem', cert: 'client.pem', key: 'client.key.pem' }
  return {
    proxy,
    folder,
    async nightshift(args: readonly string[], tlsOf = ['ca', 'cert', 'key'], user = 'night:p%40ss@') {
      await writeFile(folder.in('nightshift.yaml'), `backends:\n  - { url: "${url}", tls: { ${paths(tlsOf)} } }\n`)
      const env = { https_proxy: `http://${user}127.0.0.1:${proxy.port}`, no_proxy: '', NO_PROXY: '' }
      return run([...args, '--config', folder.in('nightshift.yaml')], { cwd: folder.path, env })
    },
  }
}

test('a batch runs on a backend behind a proxy, with TLS of its own', async () => {
  const { proxy, folder, nightshift } = await closedNetwork()
  await writeFile(folder.in('a.jsonl'), linesOf(times(20)).text)
  const { code, out, err } = await nightshift(['run', 'a.jsonl'])
  expect(code, err).toBe(0)
  expect(out).toContain('completed: 20 completed, 0 failed, of 20')
  expect((await readFile(folder.in('a-output.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(20)
  expect(new Set(proxy.seen)).toEqual(new Set(['CONNECT gpu.test:8443 host=gpu.test:8443']))
})

test('backends check says which way it goes, and what is wrong with it, but no password', async () => {
  const { proxy, nightshift } = await closedNetwork()
  const through = `${url}, through the proxy http://127.0.0.1:${proxy.port}`
  const found = await nightshift(['backends', 'check', url])
  expect(found).toMatchObject({
    code: 0,
    out: expect.stringContaining(`through the proxy http://127.0.0.1:${proxy.port}`) as string,
  })
  const away = async (...how: Parameters<typeof nightshift> extends [unknown, ...infer Rest] ? Rest : never) => {
    const { code, out } = await nightshift(['backends', 'check', url], ...how)
    expect(code).not.toBe(0)
    expect(out).not.toContain('p%40ss')
    return out
  }
  expect(await away(['cert', 'key'])).toContain(`${through}: it cannot be reached (SELF_SIGNED_CERT_IN_CHAIN: nobody known`)
  expect(await away(['ca'])).toContain('it wants another certificate from us than tls.cert')
  expect(await away(['ca', 'cert', 'key'], '')).toContain('its proxy answers 407 to CONNECT: it wants a user and a password')
})

test('settings that cannot work end the program at once, with the setting and the file', async () => {
  const { nightshift } = await closedNetwork()
  expectFailure(await nightshift(['serve'], ['ca', 'cert']), 2, 'tls of https://gpu.test:8443 has only one of cert and key')
})
