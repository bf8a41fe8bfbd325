import { resolve } from 'node:path'
import type { TlsPair } from '../domain/tls-pair.ts'
import { SettingsError } from './error.ts'
import { flagOf, type Values } from './options.ts'
import { matchingPair, readPem, type Pem } from './tls.ts'

/** Reads the certificate and the key; null: it is served without TLS. @throws {SettingsError} */
export function servingTls({ tlsCert, tlsKey }: Pick<Values, 'tlsCert' | 'tlsKey'>): TlsPair | null {
  if (tlsCert === '' && tlsKey === '') return null
  if (tlsCert === '' || tlsKey === '')
    throw new SettingsError(`${flagOf('tlsCert')} and ${flagOf('tlsKey')} go together: give both, or neither.`)
  const [cert, key] = [read('tlsCert', tlsCert), read('tlsKey', tlsKey)]
  matchingPair(cert, key, (what, problem) => {
    throw new SettingsError(`${flagOf(what === 'cert' ? 'tlsCert' : 'tlsKey')}: ${problem}.`)
  })
  return { cert: cert.text, key: key.text }
}

function read(name: 'tlsCert' | 'tlsKey', path: string): Pem {
  const from = resolve(path)
  const pem = readPem(from)
  if (!pem) throw new SettingsError(`${flagOf(name)}: the file ${from} cannot be read.`)
  return pem
}
