import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { publicOnly } from '../../domain/fetch-rules.ts'
import { systemDial, type Dial } from './dial.ts'
import { defaultLimits } from './content.ts'
import { fetchGuarded } from './guarded.ts'

const [key, cert] = ['key', 'cert'].map((name) => readFileSync(join(import.meta.dirname, `../../../test/data/tls/${name}.pem`)))

async function secureServer() {
  const server = createServer({ key, cert }, (request, response) =>
    response.end(`${request.headers.host} ${(request.socket as TLSSocket).servername}`),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
const parts = (dial: Dial) => ({
  rules: publicOnly,
  limits: defaultLimits,
  signal: new AbortController().signal,
  dial,
  resolve: async () => ['93.184.215.14'],
})

test('a certificate that nobody vouches for is refused', async () => {
  await using server = await secureServer()
  const dial: Dial = (place, signal) => systemDial({ ...place, address: '127.0.0.1', port: server.port }, signal)
  await expect(fetchGuarded('https://media.example.com/', parts(dial))).rejects.toMatchObject({
    code: 'url_unreachable',
    message: expect.stringMatching('DEPTH_ZERO_SELF_SIGNED_CERT') as unknown,
  })
})

test('the certificate must be for the name, though the connection goes to an address', async () => {
  await using server = await secureServer()
  const dial: Dial = async ({ servername }) => {
    const socket = connect({ host: '127.0.0.1', port: server.port, ca: cert!, servername: servername! })
    await once(socket, 'secureConnect')
    return socket
  }
  const fetched = await fetchGuarded('https://media.example.com/', parts(dial))
  for await (const chunk of fetched.bytes) expect(Buffer.from(chunk).toString()).toBe('media.example.com media.example.com')
  await expect(fetchGuarded('https://other.example.com/', parts(dial))).rejects.toMatchObject({
    code: 'url_unreachable',
    message: expect.stringMatching('ERR_TLS_CERT_ALTNAME_INVALID') as unknown,
  })
})
