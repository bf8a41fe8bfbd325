import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { expectFailure, openFolder, run, type Ended } from './program.ts'

/** Somebody's server: it notes which keys it was shown. */
async function openHost() {
  const keys: string[] = []
  const server = createServer((request, response) => {
    keys.push(request.headers.authorization?.replace('Bearer ', '') ?? '')
    response.setHeader('content-type', 'application/json').end('{"object":"list","data":[],"has_more":false}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A host, and a folder from which commands are given. */
async function open() {
  const host = await openHost()
  const folder = await openFolder()
  return {
    host,
    folder,
    list: (flags: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
      run(['list', '--json', ...flags], { cwd: folder.path, env }),
    async putCredentials(name: string): Promise<void> {
      await mkdir(folder.in(name))
      const credentials = { url: host.url, project: 'p', key: `ns-${name}` }
      await writeFile(folder.in(`${name}/credentials.json`), JSON.stringify(credentials))
    },
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

test.concurrent('flags come before NIGHTSHIFT_..., that before OPENAI_..., that before the data folder', async () => {
  await using opened = await open()
  const { host, list, putCredentials } = opened
  await putCredentials('nightshift-data')
  await putCredentials('elsewhere')
  const openai = { OPENAI_BASE_URL: `${host.url}/v1`, OPENAI_API_KEY: 'sk-openai' }
  const ours = { NIGHTSHIFT_URL: host.url, NIGHTSHIFT_API_KEY: 'ns-ours' }
  const ends = [
    await list(['--url', host.url, '--key', 'ns-flag'], { ...ours, ...openai }),
    await list([], { ...ours, ...openai }),
    await list([], openai),
    await list(['--data', 'elsewhere'], { NIGHTSHIFT_DATA: 'nowhere', ...ours, ...openai }),
    await list([], { NIGHTSHIFT_DATA: 'elsewhere' }),
    await list([]),
  ]
  expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0])
  expect(host.keys).toEqual(['ns-flag', 'ns-ours', 'sk-openai', 'ns-elsewhere', 'ns-elsewhere', 'ns-nightshift-data'])
})

test.concurrent('a key of OpenAI goes to no other server', async () => {
  await using opened = await open()
  const { host, list, putCredentials } = opened
  await putCredentials('nightshift-data')
  expect((await list([], { OPENAI_API_KEY: 'sk-real' })).code).toBe(0)
  expectFailure(await list([], { OPENAI_API_KEY: 'sk-real', NIGHTSHIFT_URL: host.url }), 2, 'NIGHTSHIFT_API_KEY is not: set both')
  expectFailure(await list(['--url', host.url], { OPENAI_API_KEY: 'sk-real' }), 2, '--url and --key go together')
  expect(host.keys).toEqual(['ns-nightshift-data'])
})

test.concurrent('half a pair is wrong usage, whichever half', async () => {
  await using opened = await open()
  const { host, list, putCredentials } = opened
  await putCredentials('nightshift-data')
  expectFailure(await list(['--key', 'ns-flag']), 2, '--url and --key go together')
  expectFailure(await list([], { OPENAI_BASE_URL: host.url }), 2, 'OPENAI_API_KEY is not: set both')
  expectFailure(await list(['--url', '127.0.0.1:8090', '--key', 'k']), 2, "--url: '127.0.0.1:8090' is not an address such as")
  expect(host.keys).toEqual([])
})

test.concurrent('where no server is known, it says how one becomes so', async () => {
  await using opened = await open()
  const { folder, list } = opened
  expectFailure(await list([]), 2, 'nightshift-data/credentials.json cannot be read', 'nightshift serve')
  await mkdir(folder.in('nightshift-data'))
  await writeFile(folder.in('nightshift-data/credentials.json'), '{}')
  expectFailure(await list([]), 2, 'has no key. Make one with')
})

test.concurrent('a server that is away is named; with --verbose everything known is told, but no key', async () => {
  await using opened = await open()
  const { host, list } = opened
  const { url } = host
  await host[Symbol.asyncDispose]()
  const flags = ['--url', url, '--key', 'ns-secret']
  const [plain, verbose] = await Promise.all([list(flags), list([...flags, '--verbose'])])
  expectFailure(plain, 1, `${url}/v1 cannot be reached. Is the server running there?`)
  expect(verbose.code).toBe(1)
  expect(verbose.err).toMatch(/^\s+at /m)
  expect(verbose.err, 'the cause, too').toContain('ECONNREFUSED')
  expect(verbose.err).not.toContain('ns-secret')
})
