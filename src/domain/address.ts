/**
 * Addresses of objects (contract D4): `s3://{bucket}/{key}`, taken literally, for every grant; `https://{bucket}.{host}/{key}` and `https://{host}/{bucket}/{key}`,
 * percent-decoded once, for grants on S3, whose scheme, host and port they must have. They are taken apart by hand: a URL parser would tidy up `..`, backslashes
 * and odd hosts before anybody has looked at them.
 */
import { storeOf, type BucketPlace, type Grant } from './grant.ts'
import { fitsStars } from './star-pattern.ts'

export interface Located {
  readonly grant: Grant
  readonly bucket: string
  readonly key: string
  /** The address of another key of the same bucket, in the form and encoding of this one. */
  addressOf(key: string): string
}

/** Has the text the form of an address at all? */
export const isAddress = (text: string): boolean => /^(s3|https?):\/\//i.test(text)

/** What an address names, if it is an object in a bucket that is granted; null for everything else, so that nobody learns which buckets there are. */
export function locate(text: string, grants: readonly Grant[]): Located | null {
  const s3 = /^s3:\/\/([^/]+)\/(.+)$/s.exec(text)
  if (s3) return locateLiteral(s3[1] ?? '', s3[2] ?? '', grants)
  const web = /^(https?):\/\/([a-z0-9.-]+(?::\d{1,5})?)\/([^?#\\\s\p{Cc}]+)$/iu.exec(text)
  return web ? locateWeb((web[1] ?? '').toLowerCase(), (web[2] ?? '').toLowerCase(), web[3] ?? '', text, grants) : null
}

/** The grant by which an object of a store can be reached, if there still is one. */
export const grantFor = (store: string, bucket: string, key: string, grants: readonly Grant[]): Grant | null =>
  grants.find(({ place, bucket: name }) => storeOf(place) === store && matches(name, bucket) && granted(place, key)) ?? null

/** The grants that answer to the name of a bucket, of whichever project. */
export const grantsOf = (bucket: string, grants: readonly Grant[]): Grant[] => grants.filter((g) => matches(g.bucket, bucket))

function locateLiteral(bucket: string, key: string, grants: readonly Grant[]): Located | null {
  const grant = grants.find((g) => matches(g.bucket, bucket) && granted(g.place, key))
  return grant && isKey(key) ? { grant, bucket, key, addressOf: (other) => `s3://${bucket}/${other}` } : null
}

function locateWeb(scheme: string, host: string, path: string, text: string, grants: readonly Grant[]): Located | null {
  for (const grant of grants) {
    if (grant.place.kind !== 's3') continue
    const endpoint = new URL(grant.place.endpoint)
    if (`${scheme}:` !== endpoint.protocol) continue
    const own = endpoint.port === '' ? `${endpoint.hostname}:${scheme === 'https' ? 443 : 80}` : endpoint.host
    const asked = /:\d+$/.test(host) ? host : `${host}:${scheme === 'https' ? 443 : 80}`
    const [bucket, rawKey] =
      asked === own ? splitOnce(path) : asked.endsWith(`.${own}`) ? [asked.slice(0, -own.length - 1), path] : ['', '']
    const name = decodeOnce(bucket)
    const key = decodeOnce(rawKey)
    if (!name || !key || !isKey(key) || !matches(grant.bucket, name) || !granted(grant.place, key)) continue
    const base = text.slice(0, text.length - rawKey.length)
    return { grant, bucket: name, key, addressOf: (other) => base + encodeLike(rawKey, key, other) }
  }
  return null
}

const splitOnce = (path: string): [string, string] => {
  const at = path.indexOf('/')
  return at < 0 ? [path, ''] : [path.slice(0, at), path.slice(at + 1)]
}

/** An object's key: not a folder's, and within S3's limit of 1,024 bytes. */
const isKey = (key: string): boolean => key !== '' && !key.endsWith('/') && Buffer.byteLength(key) <= 1024

const granted = (place: BucketPlace, key: string): boolean => place.kind === 'folder' || key.startsWith(place.prefix ?? '')

/** A name, or a pattern in which `*` stands for any characters of a name. */
const matches = (pattern: string, bucket: string): boolean =>
  pattern === bucket || (!bucket.includes('/') && fitsStars(pattern, bucket))

/** Percent-decoding, once; a plus is a plus. null: a broken escape, or bytes that are not UTF-8. */
function decodeOnce(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** Encodes a key as another one was: how both begin is taken over as it was written, and what stood there unescaped may stand unescaped. */
function encodeLike(raw: string, key: string, other: string): string {
  const [theirs, ours] = [[...key], [...other]]
  let shared = 0
  let at = 0
  for (let char = theirs[0]; char !== undefined && char === ours[shared]; char = theirs[++shared])
    at += raw[at] === '%' ? 3 * Buffer.byteLength(char) : char.length
  return raw.slice(0, at) + encodeWith(new Set(raw), ours.slice(shared).join(''))
}

const encodeWith = (plain: ReadonlySet<string>, text: string): string =>
  [...text].map((c) => (/[A-Za-z0-9\-._~/]/.test(c) || (plain.has(c) && c !== '%') ? c : encodeURIComponent(c))).join('')

/** Two grants of one project that answer to the same `s3://` name, in words; null if there are none. Refused at start. */
export function conflicting(grants: readonly Grant[]): string | null {
  for (const [i, a] of grants.entries())
    for (const b of grants.slice(i + 1))
      if (a.projectId === b.projectId && (matches(a.bucket, b.bucket) || matches(b.bucket, a.bucket)))
        return `project ${a.projectId} has two grants that answer to s3://${a.bucket.includes('*') ? b.bucket : a.bucket}/: '${a.bucket}' and '${b.bucket}'`
  return null
}
