import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { scriptedFeed, statusOf } from '../../test/support/scripted-feed.ts'
import { systemClock } from '../kit/clock.ts'
import { makeDispatcher } from './dispatcher.ts'
import type { BackendSettings } from './feed.ts'

/** A backend that keeps the bodies that came, and has the models `org/big` and `plain`; and a dispatcher in front of it. */
async function open(more: Partial<BackendSettings>) {
  const bodies: string[] = []
  let tries = 0
  const server = createServer((request, response) => {
    if (request.method === 'GET') return void response.end('{"data":[{"id":"org/big"},{"id":"plain"}]}')
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      bodies.push(body)
      response.statusCode = ++tries === 1 ? 500 : 200
      response.end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const dispatcher = makeDispatcher({
    settings: {
      backends: [{ url, key: null, headers: {}, models: null, endpoints: null, maxInFlight: 1, ...more }],
      attempts: 3,
      backoffBaseMs: 1,
      backoffMaxMs: 2,
      connectTimeoutMs: 1000,
      firstByteTimeoutMs: 10_000,
      answerTimeoutMs: 10_000,
      maxAnswerBytes: 1e6,
      startInFlight: 1,
      discoverEveryMs: 60_000,
    },
    clock: systemClock,
    random: () => 0,
    events: { attempted() {}, audioHeard() {}, backendShut() {}, backendOpen() {} },
  })
  const told = new Promise<readonly string[]>((resolve) => dispatcher.onModels((_, models) => resolve(models)))
  const stop = new AbortController()
  const running = dispatcher.run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await running
    server.closeAllConnections()
    server.close()
  })
  return { dispatcher, bodies, told }
}

test('a batch says the alias, the backend hears its own name, at each attempt, and all else as it was written', async () => {
  const { dispatcher, bodies, told } = await open({ aliases: { small: 'org/big', absent: 'org/none' } })
  expect(await told).toEqual(['org/big', 'plain', 'small'])
  const line = '{ "x":1.50, "model" : "small" }'
  const feed = scriptedFeed([line], { model: 'small' })
  dispatcher.add(feed)
  await feed.ended(1)
  expect(statusOf(feed.ends.get(line))).toBe(200)
  expect(bodies).toEqual(Array.from({ length: 2 }, () => '{ "x":1.50, "model" : "org/big" }'))
})

test('a priority is added beside the model that a batch names by its own name', async () => {
  const { dispatcher, bodies, told } = await open({ priority: 10 })
  expect(await told).toEqual(['org/big', 'plain'])
  const lines = ['{"model":"plain"}', '{"model":"plain","priority":1}']
  const feed = scriptedFeed([...lines], { model: 'plain' })
  dispatcher.add(feed)
  await feed.ended(2)
  expect(new Set(bodies)).toEqual(new Set(['{"priority":10,"model":"plain"}', lines[1]]))
})

test('where models are listed, aliases are among them', async () => {
  const { dispatcher } = await open({ models: ['org/big'], aliases: { small: 'org/big' } })
  expect(dispatcher.backends()[0]?.models).toEqual(['org/big', 'small'])
})
