import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadSettings } from '../config.ts'

const data = join(import.meta.dirname, '../../test/data/tls')
const pem = (name: string) => readFileSync(join(data, `${name}.pem`), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'nightshift-tls-'))
afterAll(() => rmSync(folder, { recursive: true }))
const put = (name: string, text: string): void => writeFileSync(join(folder, name), text)
put('ca.pem', pem('ca') + pem('cert'))
put('client.pem', pem('client'))
put('client.key', pem('client.key'))

function load(entry: string, env = {}) {
  put('nightshift.yaml', `backends:\n  - ${entry}`)
  return loadSettings({ config: join(folder, 'nightshift.yaml'), flags: {} }, env).backends[0]
}
const tls = (fields: string, env = {}) => load(`{ url: "https://h", tls: { ${fields} } }`, env)?.tls

test('files are found from where the settings lie, and read at the start', () => {
  expect(tls('ca: ca.pem, cert: ./client.pem, key: client.key')).toEqual({
    ca: pem('ca') + pem('cert'),
    cert: pem('client'),
    key: pem('client.key'),
  })
  expect(tls(`ca: ${join(data, 'ca.pem')}`)).toEqual({ ca: pem('ca'), cert: null, key: null })
  expect(load('{ url: "https://h" }')?.tls).toBeNull()
})

test('a value may be the PEM itself, from a variable or a file', () => {
  const env = { CERT: pem('client'), KEY: pem('client.key') }
  expect(tls('cert: "${CERT}", key: "${KEY}"', env)).toMatchObject({ cert: pem('client'), key: pem('client.key') })
  expect(tls(`cert: { file: client.pem }, key: { file: client.key }`)).toMatchObject({ cert: pem('client').trim() })
})

put('text.pem', 'hello')
put('cut.pem', pem('ca').replace(/\n.{20}/, '\n'))
put('other.key', pem('key'))
const locked = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' } as const
const { privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: locked,
})
put('locked.key', privateKey)

test.each([
  ['ca: none.pem', /tls\.ca of https:\/\/h is the file .*\/none\.pem, which cannot be read/],
  ['ca: text.pem', /tls\.ca of https:\/\/h .*\/text\.pem holds no certificate in PEM form/],
  ['ca: cut.pem', /tls\.ca of https:\/\/h .*\/cut\.pem holds a certificate that cannot be read/],
  ['ca: client.key', /tls\.ca of https:\/\/h .*\/client\.key holds no certificate/],
  ['ca: [ca.pem]', /tls\.ca of https:\/\/h must be the path of a PEM file/],
  ['cert: client.pem', /tls of https:\/\/h has only one of cert and key/],
  ['key: client.key', /tls of https:\/\/h has only one of cert and key/],
  ['cert: client.pem, key: text.pem', /tls\.key of https:\/\/h .*\/text\.pem holds no key/],
  ['cert: client.key, key: client.key', /tls\.cert of https:\/\/h .*\/client\.key holds no certificate/],
  ['cert: client.pem, key: locked.key', /tls\.key of https:\/\/h .*\/locked\.key is locked with a passphrase/],
  [
    'cert: client.pem, key: other.key',
    /tls\.key of https:\/\/h .*\/other\.key is not the key of the certificate .*\/client\.pem/,
  ],
  ['certificate: client.pem', /tls of https:\/\/h has no 'certificate'\. It may have: ca, cert, key/],
])('what is wrong is said with the setting and the file: %s', (fields, message) => {
  expect(() => tls(fields)).toThrow(message)
})

test('a message never holds what a file holds, and TLS is for https', () => {
  expect(() => tls('cert: client.pem, key: other.key')).toThrow(expect.not.stringContaining('BEGIN') as never)
  expect(() => load('{ url: "http://h", tls: { ca: ca.pem } }')).toThrow(
    /tls of http:\/\/h is for an address that begins with https/,
  )
  expect(() => load('{ url: "https://h", tls: ca.pem }')).toThrow(/tls of https:\/\/h must be names and paths/)
})
