import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openClient } from './client.ts'

/** A server that answers its calls, one after the other, as it is told; the last way is for all that follow. */
async function serve(...ways: ((response: ServerResponse) => void)[]) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const way = ways[Math.min(asked.push(request.url ?? ''), ways.length) - 1]
    way?.(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close().closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { client: openClient({ url: `http://127.0.0.1:${port}`, key: 'k' }), asked }
}

const head = { 'x-next-after': 'b', 'x-incomplete': 'true', 'content-length': '6' }
const whole = (response: ServerResponse) => void response.writeHead(200, head).end('{"a"}\n')
const broken = (response: ServerResponse) => void response.writeHead(200, head).write('{"a', () => response.destroy())

test('a page of results that breaks off is asked for again from the same position: no part of it is given', async () => {
  const { client, asked } = await serve(broken, broken, whole)
  const { lines, after, incomplete } = await client.results('x', 'a')
  expect([Buffer.from(lines).toString(), after, incomplete]).toEqual(['{"a"}\n', 'b', true])
  expect(new Set(asked)).toEqual(new Set(['/v1/batches/x/results?after=a']))
})

test('one that breaks off each time is a failure', async () => {
  const { client } = await serve(broken)
  await expect(client.results('x', null)).rejects.toThrow('breaks off again and again')
})
