import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { BackendTls } from '../domain/backend-tls.ts'
import { SettingsError } from './error.ts'
import { onlyKnown } from './known.ts'

const tlsKeys = ['ca', 'cert', 'key']

/** Reads the files that a backend's `tls` names; `base`: where they are found from. A value may be the PEM itself, from a variable. @throws {SettingsError} */
export function parseTls(value: unknown, where: string, url: string, base: string): BackendTls | null {
  if (value === null) return null
  const no = (what: string, problem: string): never => {
    throw new SettingsError(`${where}: ${what} of ${url} ${problem}`)
  }
  const entry = typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : no('tls', form)
  onlyKnown(entry, tlsKeys, `${where}: tls of ${url}`)
  if (!url.startsWith('https:')) return no('tls', 'is for an address that begins with https')

  const [ca, cert, key] = tlsKeys.map((name) => pemOf(entry[name], base, (problem) => no(`tls.${name}`, problem)))
  if (ca) certificatesIn(ca, (problem) => no('tls.ca', problem))
  if (!cert !== !key) return no('tls', 'has only one of cert and key: a certificate needs its key')
  if (cert && key) matchingPair(cert, key, (what, problem) => no(`tls.${what}`, problem))
  return { ca: ca?.text ?? null, cert: cert?.text ?? null, key: key?.text ?? null }
}

const form = 'must be names and paths of PEM files: { ca: ca.pem, cert: client.pem, key: client.key }'

export interface Pem {
  readonly text: string
  /** How it is named in a message. */
  readonly from: string
}
type No = (problem: string) => never

/** A certificate, with those that vouch for it behind it, and its key. */
export function matchingPair(cert: Pem, key: Pem, no: (what: 'cert' | 'key', problem: string) => never): void {
  const [first] = certificatesIn(cert, (problem) => no('cert', problem))
  const secret = keyIn(key, (problem) => no('key', problem))
  if (!first?.checkPrivateKey(secret)) no('key', `${key.from} is not the key of the certificate ${cert.from}`)
}

function pemOf(value: unknown, base: string, no: No): Pem | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'string' || value === '') return no('must be the path of a PEM file')
  if (value.includes('-----BEGIN ')) return { text: value, from: 'as it is given' }
  const path = resolve(base, value)
  return readPem(path) ?? no(`is the file ${path}, which cannot be read`)
}

/** null: it cannot be read. */
export function readPem(path: string): Pem | null {
  try {
    return { text: readFileSync(path, 'utf8'), from: path }
  } catch {
    return null
  }
}

function certificatesIn({ text, from }: Pem, no: No): X509Certificate[] {
  const blocks = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g)
  if (!blocks) return no(`${from} holds no certificate in PEM form`)
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    return no(`${from} holds a certificate that cannot be read`)
  }
}

function keyIn({ text, from }: Pem, no: No): KeyObject {
  try {
    return createPrivateKey(text)
  } catch {
    return no(
      /\bENCRYPTED\b/.test(text)
        ? `${from} is locked with a passphrase: give it without one`
        : `${from} holds no key in PEM form`,
    )
  }
}
