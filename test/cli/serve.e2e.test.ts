import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { followToEnd, poll } from '../conformance/follow.ts'
import { linesOf, model, times } from '../conformance/lines.ts'
import { readResults } from '../conformance/results.ts'
import { startScriptedBackend } from '../conformance/scripted-backend.ts'
import { call, create, expectRefused, getBatch, listBatches, post, upload } from '../conformance/wire.ts'
import { freePort } from '../support/free-port.ts'
import { startListener } from '../support/listener.ts'
import { openFolder, serve, start } from './program.ts'

const simulated = { models: [model], firstTokenMs: 0, tokenMs: 0 }

test.concurrent(
  'a server whose backend is away starts and says so; its batches wait, and run when the backend comes up',
  async () => {
    await using folder = await openFolder()
    const port = await freePort()
    await using server = await serve(folder.in('data'), `http://127.0.0.1:${port}`)
    const readiness = async () => {
      const response = await fetch(`${server.baseUrl}/readyz`)
      return [response.status, await response.text()] as const
    }
    const [status, why] = await poll(readiness, ([, text]) => text.includes('ECONNREFUSED'), 'it says why it is not ready')
    expect(status).toBe(503)
    expect(why).toContain(`backend http://127.0.0.1:${port}`)
    const lines = linesOf(times(5))
    const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
    expect(['validating', 'in_progress']).toContain((await getBatch(server, id)).status)
    await using _ = await startSimulator({ ...simulated, port })
    const batch = await followToEnd(server, id)
    expect(batch.status).toBe('completed')
    await readResults(server, batch, lines.customIds)
    expect((await readiness())[0]).toBe(200)
  },
)

test.concurrent('asked to end it ends with 0, by the user with 130, and each time it starts again', async () => {
  await using folder = await openFolder()
  for (const [name, expected] of [
    ['SIGTERM', 0],
    ['SIGINT', 130],
  ] as const) {
    await using server = await serve(folder.in('data'), 'http://127.0.0.1:1')
    server.signal(name)
    expect((await server.ended).code, server.err()).toBe(expected)
  }
})

test.concurrent('asked to end it waits for open calls; asked again it ends at once', async () => {
  await using folder = await openFolder()
  await using simulator = await startSimulator(simulated)
  await using server = await serve(folder.in('data'), simulator.url, { flags: ['--grace', '10m'] })
  await create(server, { input_file_id: (await upload(server, linesOf(['[[hang]]']).text)).id })
  await poll(
    async () => simulator.stats().inFlight,
    (n) => n === 1,
    'a call hangs',
  )
  server.signal('SIGTERM')
  await poll(
    async () => (await fetch(`${server.baseUrl}/readyz`)).text(),
    (text) => text.includes('it is stopping'),
    'no load balancer sends it anything new',
  )
  let ended: number | null | undefined
  void server.ended.then(({ code }) => (ended = code))
  await poll(
    async () => (server.signal('SIGTERM'), ended),
    (code) => code !== undefined,
    'the end',
  )
  expect(ended, 'not 0: it was told twice').toBe(143)
})

test.concurrent('a pipe gets no key, and no log has a key, a secret, or what a line or its answer says', async () => {
  await using folder = await openFolder()
  await using backend = await startScriptedBackend()
  await using listener = await startListener()
  listener.answer(500)
  const [backendKey, wrongKey] = ['sk-of-the-backend', 'ns-of-nobody']
  const data = folder.in('data')
  const closed = await freePort()
  await using server = await serve(data, backend.url, {
    flags: [
      ['--log-level', 'debug', '--attempts', '2', '--backoff-base', '1ms'],
      ['--fetch-allow', '127.0.0.1', '--fetch-ports', `${listener.port},${closed}`],
    ].flat(),
    env: { NIGHTSHIFT_BACKEND_KEY: backendKey },
  })
  expect(server.err()).toContain(`Its key is in ${join(data, 'credentials.json')}`)
  expect((await stat(join(data, 'credentials.json'))).mode & 0o777).toBe(0o600)
  expect((await stat(data)).mode & 0o077, 'the data folder is its owner’s alone').toBe(0)

  const urls = [listener.url, listener.url.replace(listener.port, String(closed))]
  const hooks = await Promise.all(urls.map((url) => post(server, '/v1/webhooks', { url })))
  const hookSecrets = hooks.map(({ json }) => (json as { secret: string }).secret)
  const good = linesOf(['', '[[400]]', '[[500]]', '[[text]]', '[[text 422]]', '[[reset]]']) // NOTE: what is answered says `echo`, `scripted` or `not JSON`
  const metadata = { note: good.mark }
  const batch = await create(server, { input_file_id: (await upload(server, good.text)).id, metadata })
  const doubled = linesOf(times(2))
  const refused = await create(server, { input_file_id: (await upload(server, doubled.text.replaceAll('line-1', 'line-0'))).id })
  await writeFile(join(data, 'buckets/default/secret-name.jsonl'), `${good.mark} is not JSON\n`)
  const broken = await create(server, { input_file_id: 's3://default/secret-name.jsonl' })
  expect((await followToEnd(server, batch.id)).request_counts).toEqual({ total: 6, completed: 1, failed: 5 })
  expect((await followToEnd(server, refused.id)).status).toBe('failed')
  expect((await followToEnd(server, broken.id)).status).toBe('failed')
  expectRefused(await call(server, 'POST', '/v1/batches', { body: `${good.mark} is not JSON` }), 400)
  for (const key of [wrongKey, `${server.key}x`])
    expectRefused(await call(server, 'GET', `/v1/batches?key=${server.key}`, { key }), 401)
  await poll(
    async () => server.err().split('event told').length - 1,
    (count) => count >= 6,
    'both webhooks were tried for all three',
  )
  server.signal('SIGTERM')
  const { out, err } = await server.ended
  expect(err, 'there is a log').toContain('batch published')
  const keys = [server.key, wrongKey, backendKey, ...hookSecrets, 'in-the-query']
  for (const secret of [...keys, good.mark, doubled.mark, 'echo: ', 'scripted', 'not J']) expect(out + err).not.toContain(secret)
})

test.concurrent('where others reach it without TLS it warns of it, once', async () => {
  await using folder = await openFolder()
  for (const [host, warnings] of [
    ['0.0.0.0', 1],
    ['127.0.0.1', 0],
  ] as const) {
    await using server = await serve(folder.in('data'), 'http://127.0.0.1:1', { flags: ['--host', host] })
    expect(server.err().match(/^WARNING: .*without TLS.*$/gm) ?? [], server.err()).toHaveLength(warnings)
  }
})

test.concurrent('a data folder that was moved has its bucket where it is now, and the same key', async () => {
  await using folder = await openFolder()
  await using simulator = await startSimulator(simulated)
  const [old, now] = [folder.in('old'), folder.in('now')]
  let key: string
  {
    await using server = await serve(old, simulator.url)
    key = server.key
    server.signal('SIGTERM')
    await server.ended
  }
  await rename(old, now)
  await using server = await serve(now, simulator.url)
  expect(server.key).toBe(key)
  await writeFile(join(now, 'buckets/default/in.jsonl'), linesOf(times(3)).text)
  const batch = await followToEnd(server, (await create(server, { input_file_id: 's3://default/in.jsonl' })).id)
  expect([batch.status, batch.output_file_id]).toEqual(['completed', 's3://default/in-output.jsonl'])
  expect((await stat(join(now, 'buckets/default/in-output.jsonl'))).size).toBeGreaterThan(0)
})

test.concurrent('credentials of another database are replaced, and a database that has keys is given no other', async () => {
  await using folder = await openFolder()
  const data = folder.in('data')
  const credentials = async () => JSON.parse(await readFile(join(data, 'credentials.json'), 'utf8')) as { key?: string }
  await mkdir(data)
  await writeFile(join(data, 'credentials.json'), JSON.stringify({ key: 'ns-of-another-database' }))
  {
    await using server = await serve(data, 'http://127.0.0.1:1')
    expect((await listBatches(server)).data).toEqual([])
    server.signal('SIGTERM')
    await server.ended
  }
  await rm(join(data, 'credentials.json'))
  await using again = start(['serve', '--port', '0', '--data', data, '--backend', 'http://127.0.0.1:1'])
  await poll(
    async () => again.err(),
    (text) => text.includes('nightshift keys create'),
    'it says what to do',
  )
  expect((await credentials()).key).toBeUndefined()
})
