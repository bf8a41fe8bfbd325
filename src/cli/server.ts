import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openClient, type Client } from '../client.ts'
import type { Env } from '../config/file.ts'
import { exit, Failure } from './failure.ts'

export interface ServerFlags {
  readonly url?: string
  readonly key?: string
  readonly data?: string
}

/** Where the server is and the key to it: always a pair from one source, so that nobody's key goes to another server. What a flag says goes before all variables. */
export function findServer({ url, key, data }: ServerFlags, env: Env): { url: string; key: string; source: string } {
  if (url !== undefined || key !== undefined) {
    if (url === undefined || key === undefined)
      throw new Failure('--url and --key go together: give both, or neither.', exit.usage)
    return checked({ url, key, source: '--url' })
  }
  if (data !== undefined) return fromFolder(data)
  return serverOf(env) ?? fromFolder(env.NIGHTSHIFT_DATA ?? './nightshift-data')
}

/** The server that the environment names; null: none. */
export function serverOf(env: Env): { url: string; key: string; source: string } | null {
  const pair = (urlName: string, keyName: string) => {
    const [found, secret] = [env[urlName], env[keyName]]
    if (!found) return null
    if (!secret) throw new Failure(`${urlName} is set, but ${keyName} is not: set both.`, exit.usage)
    return checked({ url: found, key: secret, source: urlName })
  }
  return pair('NIGHTSHIFT_URL', 'NIGHTSHIFT_API_KEY') ?? pair('OPENAI_BASE_URL', 'OPENAI_API_KEY')
}

function checked<T extends { url: string; source: string }>(server: T): T {
  if (!/^https?:$/.test(URL.canParse(server.url) ? new URL(server.url).protocol : ''))
    throw new Failure(`${server.source}: '${server.url}' is not an address such as http://127.0.0.1:8090.`, exit.usage)
  return server
}

function fromFolder(folder: string): { url: string; key: string; source: string } {
  const path = join(folder, 'credentials.json')
  try {
    const { url, key } = JSON.parse(readFileSync(path, 'utf8')) as { url?: unknown; key?: unknown }
    if (typeof url === 'string' && typeof key === 'string') return { url, key, source: path }
  } catch (error) {
    throw new Failure(
      `No server is known: ${path} cannot be read. Start one with "nightshift serve", or set NIGHTSHIFT_URL and NIGHTSHIFT_API_KEY.`,
      exit.usage,
      { cause: error },
    )
  }
  throw new Failure(
    `${path} has no key. Make one with "nightshift keys create" on the server's machine, and set NIGHTSHIFT_URL and NIGHTSHIFT_API_KEY.`,
    exit.usage,
  )
}

export const clientOf = (flags: ServerFlags, env: Env): Client => openClient(findServer(flags, env))
