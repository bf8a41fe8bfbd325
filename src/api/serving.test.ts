import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { handClock } from '../../test/support/hand-clock.ts'
import type { TlsPair } from '../domain/tls-pair.ts'
import { silentLog } from '../kit/log.ts'
import { renewCertificate } from './serving.ts'

const pem = (name: string) => readFileSync(join(import.meta.dirname, '../../test/data/tls', name), 'utf8')
const first: TlsPair = { cert: pem('localhost.pem'), key: pem('localhost.key.pem') }
const second: TlsPair = { cert: pem('cert.pem'), key: pem('key.pem') }

test('a certificate that was renewed is shown within a minute; one that cannot be read is not', async () => {
  const clock = handClock()
  const server = createServer(first, (_, response) => response.end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256)
        socket.destroy()
      })
      socket.on('error', reject)
    })
  let read: () => TlsPair = () => first
  const warned: string[] = []
  const log = { ...silentLog, warn: (text: string) => void warned.push(text) }
  const stop = new AbortController()
  const running = renewCertificate(server, first, { read: () => read(), clock, log }, stop.signal)
  const before = await shown()
  await clock.advance(60_000)
  expect(await shown()).toBe(before)
  read = () => {
    throw new Error('half of it is written')
  }
  await clock.advance(60_000)
  expect([await shown(), warned.length]).toEqual([before, 1])
  read = () => ({ ...second, key: first.key })
  await clock.advance(60_000)
  expect([await shown(), warned.length]).toEqual([before, 2])
  read = () => second
  await clock.advance(60_000)
  expect(await shown()).not.toBe(before)
  stop.abort()
  await running
})
