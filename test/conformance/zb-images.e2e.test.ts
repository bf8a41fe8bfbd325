import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { webServer } from '../support/web-server.ts'
import { followToEnd } from './follow.ts'
import { line, model, newMark } from './lines.ts'
import { readResults } from './results.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { create, expectRefused, tryCreate, upload, type Door } from './wire.ts'

const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), randomBytes(300_000)])
const dataOf = (bytes: Buffer) => `data:image/png;base64,${bytes.toString('base64')}`

interface Seen {
  readonly messages: readonly { readonly content: readonly { readonly image_url?: { readonly url: string } }[] }[]
  readonly input?: readonly { readonly content: readonly { readonly image_url?: string }[] }[]
}
/** An inference server that answers with the addresses of the images that it was shown: a fake, as far as seeing goes. */
async function startSeeing() {
  const server = await webServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      response.setHeader('content-type', 'application/json')
      if (request.method === 'GET') return void response.end(JSON.stringify({ data: [{ id: model }] }))
      const { messages = [], input = [] } = JSON.parse(Buffer.concat(chunks).toString()) as Partial<Seen>
      const content = [
        ...messages.flatMap((one) => one.content.flatMap((part) => part.image_url?.url ?? [])),
        ...input.flatMap((one) => one.content.flatMap((part) => part.image_url ?? [])),
      ].join(' ')
      response.end(JSON.stringify({ choices: [{ message: { content } }], output: [{ content: [{ text: content }] }] }))
    })
  })
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** A server in front of it, beside a web of one server that the operator allows. */
async function withWeb(special: Parameters<typeof openLocal>[0] = {}) {
  const web = await webServer((request, response) => {
    if (request.url === '/cat.png') return response.writeHead(200, { 'content-type': 'image/png' }).end(png)
    if (request.url === '/moved') return response.writeHead(302, { location: '/cat.png' }).end()
    if (request.url === '/page') return response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>')
    return response.writeHead(404).end()
  })
  const seeing = await startSeeing()
  const settings = { fetchAllow: '127.0.0.1', fetchPorts: `80,443,${web.port}`, attempts: '2', ...special }
  const subject = await openLocal(settings, undefined, seeing.url)
  return {
    subject,
    web: `http://127.0.0.1:${web.port}`,
    asked: () => web.connections,
    async [Symbol.asyncDispose]() {
      await subject[Symbol.asyncDispose]()
      await Promise.all([web, seeing].map((one) => one[Symbol.asyncDispose]()))
    },
  }
}

const chatOf = (...urls: string[]) => ({
  messages: [
    {
      role: 'user',
      content: [{ type: 'text', text: 'what is it?' }, ...urls.map((url) => ({ type: 'image_url', image_url: { url } }))],
    },
  ],
})

/** What each body made the model see, or why its line failed. */
async function show(door: Door, bodies: readonly object[], url = '/v1/chat/completions') {
  const mark = newMark()
  const text = bodies.map((body, i) => `${line(`i${i}`, `${mark} ${i}`, { url, body })}\n`).join('')
  const { id } = await create(door, { input_file_id: (await upload(door, text)).id, endpoint: url })
  const batch = await followToEnd(door, id)
  expect([batch.status, batch.errors]).toEqual(['completed', null])
  const { output, errors } = await readResults(door, batch, bodies.map((_, i) => `i${i}`)) // prettier-ignore
  const saw = output.map(({ custom_id, response }) => {
    const seen = response?.body as { choices: [{ message: { content: string } }] } | undefined
    return [custom_id, seen?.choices[0].message.content] as const
  })
  return { saw: Object.fromEntries(saw), failed: Object.fromEntries(errors.map((r) => [r.custom_id, r.error?.code])), errors }
}

test.skipIf(isRemote)(
  '291: images by web address, object and upload are put into the body, where the operator wants it',
  async () => {
    await using at = await withWeb({ fetchImages: 'inline' })
    const { subject, web } = at
    await writeFile(join(subject.bucket.folder, 'cat.png'), png)
    const object = `s3://${subject.bucket.name}/cat.png`
    const { id } = await upload(subject, png, { purpose: 'user_data', filename: 'cat.png' })
    const given = 'data:image/gif;base64,R0lGODlh'
    const { saw, failed } = await show(subject, [
      chatOf(`${web}/cat.png`),
      chatOf(object, given, `${web}/moved`),
      chatOf(id),
      chatOf(given),
      chatOf(),
    ])
    expect(failed).toEqual({})
    const inlined = dataOf(png)
    expect(saw).toEqual({ i0: inlined, i1: `${inlined} ${given} ${inlined}`, i2: inlined, i3: given, i4: '' })
    const input = [{ role: 'user', content: [{ type: 'input_image', image_url: object }] }]
    expect((await show(subject, [{ input }], '/v1/responses')).saw).toEqual({ i0: inlined })
  },
)

test.skipIf(isRemote)('291: else their addresses are the backend’s affair, and nothing is asked of them', async () => {
  await using at = await withWeb()
  const urls = [`${at.web}/cat.png`, 's3://somebody/cat.png']
  expect((await show(at.subject, [chatOf(...urls)])).saw).toEqual({ i0: urls.join(' ') })
  expect(at.asked()).toBe(0)
})

test.skipIf(isRemote)('292: an image that is not there, is none, or may not be read is a line of the error file', async () => {
  await using at = await withWeb({ fetchImages: 'inline', fetchBytes: '200kB' })
  const { subject, web } = at
  const theirs = await upload(subject.other as Door, png, { purpose: 'user_data', filename: 'cat.png' })
  const { failed, saw, errors } = await show(subject, [
    chatOf(`${web}/none.png`),
    chatOf(`${web}/page`),
    chatOf(`${web}/cat.png`),
    chatOf('http://169.254.169.254/latest/meta-data/'),
    chatOf('s3://somebody-elses/a.png'),
    chatOf(theirs.id),
    chatOf('data:image/png;base64,AAAA', `${web}/page`),
    chatOf('data:image/png;base64,AAAA'),
  ])
  expect(failed).toEqual({
    i0: 'url_status',
    i1: 'url_not_an_image',
    i2: 'url_too_large',
    i3: 'url_not_allowed',
    i4: 'url_not_allowed',
    i5: 'url_not_found',
    i6: 'url_not_an_image',
  })
  expect(Object.keys(saw)).toEqual(['i7'])
  for (const { error, raw } of errors) expect(error?.message, raw).not.toMatch(/latest|none\.png/)
})

test.skipIf(isRemote)('293: who lets images be read for a batch must be allowed to read them', async () => {
  for (const [fetchImages, status] of [
    ['inline', 403],
    ['pass', 200],
  ] as const) {
    await using at = await withWeb({ fetchImages })
    const { subject } = at
    const access = [{ project: subject.projectId, rights: ['batches:write', 'files:write', 'files:read'] }]
    const door = { ...subject, key: (await subject.newKey({ access })).key }
    const { id } = await upload(door, `${line('a', 'x', { body: chatOf() })}\n`)
    const answer = await tryCreate(door, { input_file_id: id })
    if (status === 403) expectRefused(answer, 403, { code: 'missing_right' })
    else expect(answer.status, answer.text).toBe(200)
    const embeddings = await upload(door, `${line('a', 'x', { url: '/v1/embeddings', body: { input: 'x' } })}\n`)
    expect((await tryCreate(door, { input_file_id: embeddings.id, endpoint: '/v1/embeddings' })).status).toBe(200)
  }
})
