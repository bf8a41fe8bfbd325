import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect } from 'vitest'
import type { Place } from '../../src/dispatch/fetch/dial.ts'
import { defaultLimits, type Content, type FetchLimits } from '../../src/dispatch/fetch/content.ts'
import { fetchGuarded, type FetchParts } from '../../src/dispatch/fetch/guarded.ts'
import { publicOnly } from '../../src/domain/fetch-rules.ts'
import { dialTo, webServer } from './web-server.ts'

/** Where every name leads to in a world of one server. */
export const somewhere = '93.184.215.14'

/** A server that is taken for every host of the internet, and what was asked on the way to it. */
export async function webWorld(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  more: Partial<FetchParts> = {},
  limits: Partial<FetchLimits> = {},
) {
  const server = await webServer(answer)
  const places: Place[] = []
  const looked: string[] = []
  const parts: FetchParts = {
    rules: publicOnly,
    limits: { ...defaultLimits, ...limits },
    signal: new AbortController().signal,
    resolve: async (host) => {
      looked.push(host)
      return [somewhere]
    },
    dial: dialTo(server, places),
    ...more,
  }
  return {
    server,
    places,
    looked,
    fetch: (address: string, other: Partial<FetchParts> = {}) => fetchGuarded(address, { ...parts, ...other }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

export async function readAll({ bytes }: Content): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export const withCode = (code: string) => expect.objectContaining({ code }) as unknown
/** The error that a run ends with. */
export const failing = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => 'no error',
    (error: unknown) => error,
  )
