import { readFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { listen, openWire, textOf } from '../../../test/support/open-wire.ts'
import { systemClock } from '../../kit/clock.ts'
import type { BackendTls } from '../../domain/backend-tls.ts'
import { checkBackend } from '../check.ts'
import { readTold } from '../discovery.ts'

const pem = (name: string) => readFileSync(join(import.meta.dirname, `../../../test/data/tls/${name}.pem`), 'utf8')
const known: BackendTls = { ca: pem('ca'), cert: null, key: null }
const ours: BackendTls = { ...known, cert: pem('client'), key: pem('client.key') }

/** Answers with whom it sees: the name in our certificate, and whether the session is an old one. */
async function secureServer(options: ServerOptions = {}): Promise<string> {
  const server = createServer({ key: pem('localhost.key'), cert: pem('localhost'), ...options }, (request, response) => {
    const socket = request.socket as TLSSocket
    const { subject } = socket.getPeerCertificate()
    response.setHeader('connection', 'close')
    response.end(JSON.stringify({ sees: (subject as { CN?: string } | undefined)?.CN ?? null, again: socket.isSessionReused() }))
  })
  const port = await listen(server)
  onTestFinished(() => server.closeAllConnections())
  return `https://127.0.0.1:${port}`
}
const demanding = { ca: pem('ca'), requestCert: true, rejectUnauthorized: true }
const ask = (wire: ReturnType<typeof openWire>['wire']) => wire.ask('/v1/models', new AbortController().signal)

test('a backend whose certificate an own authority has signed is called with that authority', async () => {
  const { post } = openWire(await secureServer(), {}, { tls: known })
  expect(JSON.parse(textOf(await post()))).toEqual({ sees: null, again: false })
})

test('the connections to a backend share their TLS sessions', async () => {
  const { post } = openWire(await secureServer(), {}, { tls: known })
  await post()
  expect(JSON.parse(textOf(await post()))).toMatchObject({ again: true })
})

test.each([
  ['without an authority of its own', null, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['with another authority', { ...known, ca: pem('cert') }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
])('%s it is not reached, and what to do is said', async (_, tls, code) => {
  const url = await secureServer()
  const { post, wire } = openWire(url, {}, { tls })
  const message = `${code}: nobody known vouches for its certificate; whoever does goes into tls.ca`
  expect(await post()).toEqual({ kind: 'unreachable', message })
  expect(await ask(wire)).toEqual({ kind: 'unreachable', message })
  const { told } = await checkBackend({ url, key: null, headers: {}, tls }, systemClock)
  expect(told).toEqual({ kind: 'away', trouble: `it cannot be reached (${message})` })
})

test('a certificate for another name is not taken', async () => {
  const url = await secureServer({ key: pem('key'), cert: pem('cert') })
  const { post } = openWire(url, {}, { tls: { ...known, ca: pem('cert') } })
  expect(await post()).toEqual({
    kind: 'unreachable',
    message: 'ERR_TLS_CERT_ALTNAME_INVALID: its certificate is for another name',
  })
})

test('a backend that demands a certificate of us sees it', async () => {
  const url = await secureServer(demanding)
  const { post } = openWire(url, {}, { tls: ours })
  expect(JSON.parse(textOf(await post()))).toMatchObject({ sees: 'nightshift' })
  expect((await checkBackend({ url, key: null, headers: {}, tls: ours }, systemClock)).told.kind).not.toBe('away')
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)('without it nothing has reached the backend, in %s too', async (version) => {
  const { post, wire } = openWire(
    await secureServer({ ...demanding, minVersion: version, maxVersion: version }),
    {},
    { tls: known },
  )
  const refused = {
    kind: 'unreachable',
    message: expect.stringMatching(/^ERR_SSL_.*ALERT.*: it wants another certificate/) as string,
  }
  expect(await post()).toEqual(refused)
  const asked = await ask(wire)
  expect(asked).toEqual(refused)
  expect(asked && readTold(asked)).toMatchObject({ kind: 'away' })
})
