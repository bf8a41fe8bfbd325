/** The checks 120 to 128 with buckets on S3 servers, whose objects are put and read with the official client. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findS3Program, serverNames } from '../support/s3-server.ts'
import { follow, followToEnd, poll } from './follow.ts'
import { linesOf, newMark, threeLines, times, type Lines } from './lines.ts'
import { expectAccounted, readResults } from './results.ts'
import { openOnS3, type S3Subject } from './s3-subject.ts'
import { call, create, expectRefused, post, tryCreate, upload, cancel, type Batch } from './wire.ts'

const variants = serverNames.flatMap((server) => [
  [server, 'in the path', false],
  [server, 'before the host', true],
]) as [string, string, boolean][]

describe.each(variants)('%s, buckets %s', (server, _, before) => {
  describe.skipIf(findS3Program(server) === null || process.env.NIGHTSHIFT_BASE_URL !== undefined)('objects on S3', () => {
    let on: S3Subject
    beforeAll(async () => void (on = await openOnS3(server, before)))
    afterAll(() => on[Symbol.asyncDispose]())

    async function run(input_file_id: string): Promise<Batch> {
      return followToEnd(on.subject, (await create(on.subject, { input_file_id })).id)
    }
    const runObject = async (key: string, lines: Lines): Promise<Batch> => run(await on.put('jobs', key, lines.text))
    async function expectResults(batch: Batch, lines: Lines): Promise<void> {
      const results = { output: await on.results(batch.output_file_id), errors: await on.results(batch.error_file_id) }
      expectAccounted(batch, results, lines.customIds)
    }
    async function expectFailed(input_file_id: string, message: RegExp): Promise<void> {
      const batch = await run(input_file_id)
      expect(batch).toMatchObject({ status: 'failed', output_file_id: null, request_counts: { total: 0 } })
      expect(batch.errors?.data[0]?.message).toMatch(message)
    }

    test('120: with the project in the path, and an object as its input', async () => {
      const input_file_id = await on.put('jobs', `${newMark()}/in.jsonl`, threeLines().text)
      const body = { input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' }
      const answer = await post(on.subject, `/${on.subject.projectId}/v1/batches`, body)
      expect(answer.status, answer.text).toBe(200)
      const batch = await followToEnd(on.subject, (answer.json as Batch).id)
      expect([batch.status, batch.input_file_id]).toEqual(['completed', input_file_id])
    })

    test.each([
      ['in.jsonl', 'in'],
      ['in.v2.jsonl', 'in.v2'],
      ['packed.jsonl.gz', 'packed'],
      ['with space + plus%20&=?#.jsonl', 'with space + plus%20&=?#'],
      ['übung 夜.jsonl', 'übung 夜'],
      ['a..b.txt', 'a..b'],
    ])('121, 122: the results of %s lie beside it, and nothing else', async (name, stem) => {
      const folder = newMark()
      const lines = linesOf(['', '[[400]]', ''])
      const bytes = name.endsWith('.gz') ? gzipSync(lines.text) : lines.text
      const batch = await run(await on.put('jobs', `${folder}/${name}`, bytes))
      expect(batch.output_file_id, JSON.stringify(batch.errors)).toBe(`s3://jobs/${folder}/${stem}-output.jsonl`)
      expect(batch.error_file_id).toBe(`s3://jobs/${folder}/${stem}-error.jsonl`)
      const keys = [name, `${stem}-output.jsonl`, `${stem}-error.jsonl`].map((one) => `${folder}/${one}`)
      expect(await on.list('jobs', `${folder}/`)).toEqual(keys.toSorted())
      await expectResults(batch, lines)
      const head = await on.client.headObject({ Bucket: 'jobs', Key: keys[1] })
      expect([head.ContentType, head.Metadata?.['nightshift-batch']]).toEqual(['application/jsonl', batch.id])
    })

    test('122: what is taken is not overwritten: both names bear the id of the batch (D6), and no upload is left', async () => {
      const folder = newMark()
      await on.put('jobs', `${folder}/in-error.jsonl`, 'not yours\n')
      const lines = threeLines()
      const batch = await runObject(`${folder}/in.jsonl`, lines)
      expect(batch.output_file_id).toBe(`s3://jobs/${folder}/in-${batch.id}-output.jsonl`)
      expect(await on.get('jobs', `${folder}/in-error.jsonl`)).toBe('not yours\n')
      await expectResults(batch, lines)
      const open = (await on.client.listMultipartUploads({ Bucket: 'jobs' })).Uploads ?? []
      expect(open.map(({ Key }) => Key)).toEqual([])
    })

    test('122: batches over one input at once have results of their own', async () => {
      const lines = linesOf(['', '', '[[400]]'])
      const input_file_id = await on.put('jobs', `${newMark()}/in.jsonl`, lines.text)
      const made = await Promise.all([1, 2, 3].map(() => create(on.subject, { input_file_id })))
      const ended = await Promise.all(made.map(({ id }) => followToEnd(on.subject, id)))
      expect(new Set(ended.map((batch) => batch.output_file_id)).size).toBe(3)
      for (const batch of ended) await expectResults(batch, lines)
    })

    test('124: the form and the encoding of the address are those in which the input was given', async () => {
      const folder = newMark()
      await on.put('jobs', `${folder}/a b+ü.jsonl`, threeLines().text)
      const url = new URL(on.endpoint)
      for (const [base, stem] of [
        [`${url.origin}/jobs/${folder}/`, 'a%20b+%C3%BC'],
        [`${url.protocol}//jobs.${url.host}/${folder}/`, 'a%20b%2B%C3%BC'],
        [`${url.origin}/jobs/${folder}%2F`, 'a%20b+%c3%bc'],
      ]) {
        const batch = await run(`${base}${stem}.jsonl`)
        expect(batch.status, JSON.stringify(batch.errors)).toBe('completed')
        expect(batch.output_file_id?.startsWith(`${base}${stem}`)).toBe(true)
        const content = await call(on.subject, 'GET', `/v1/files/${encodeURIComponent(batch.output_file_id ?? '')}/content`)
        expect(content.text.split('\n')).toHaveLength(4)
        const unescaped = await call(on.subject, 'GET', `/v1/files/${batch.output_file_id}/content`)
        expect(unescaped.text, 'as curl sends it').toBe(content.text)
      }
    })

    test('125: what is missing, or may not be, fails the batch, which says what and where', async () => {
      await expectFailed(`s3://jobs/${newMark()}.jsonl`, /Cannot find object '.*' in bucket 'jobs'/)
      await expectFailed('s3://team-none/in/x.jsonl', /no such bucket/)
      await on.client.createBucket({ Bucket: 'readable' })
      const address = await on.put('readable', 'in.jsonl', threeLines().text)
      await expectFailed(address, /'readable' may be read and not written/)
      await expectFailed('s3://writable/in.jsonl', /'writable' may not be read/)
      await expectFailed(`s3://jobs/${newMark()}/../x.jsonl`, /Cannot find object/)
    })

    test('125, 126: only the granted folder of the buckets that fit a pattern, and nothing that is not granted is contacted', async () => {
      let contacts = 0
      const listener = createServer((socket) => (contacts++, socket.destroy()))
      await once(listener.listen(0, '127.0.0.1'), 'listening')
      const { port } = listener.address() as { port: number }
      const lines = threeLines()
      const good = await on.put('team-a', `in/${newMark()}/in.jsonl`, lines.text)
      await expectResults(await run(good), lines)
      for (const input_file_id of [
        await on.put('team-a', 'out/in.jsonl', lines.text),
        await on.put('other', 'in.jsonl', lines.text),
        `http://127.0.0.1:${port}/jobs/in.jsonl`,
        `http://jobs.localhost:${port}/in.jsonl`,
      ])
        expectRefused(await tryCreate(on.subject, { input_file_id }), 400, { code: 'invalid_value', param: 'input_file_id' })
      expect(contacts).toBe(0)
      listener.close()
    })

    test("127: Scaleway's published poller runs to the end", async () => {
      const input_file_id = await on.put('jobs', `${newMark()}/in.jsonl`, threeLines().text)
      const client = new OpenAI({ baseURL: `${on.subject.baseUrl}/v1`, apiKey: on.subject.key })
      const { id } = await client.batches.create({ input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' })
      const last = await poll(
        () => client.batches.retrieve(id),
        ({ status }) => status === 'completed',
        'completed',
      )
      expect(last.output_file_id).toMatch(/^s3:/)
    })

    test('128: a client reads the results and the input by their address; what cannot be read is a 404', async () => {
      const batch = await runObject(`${newMark()}/in put.jsonl`, linesOf(['', '[[400]]']))
      const client = new OpenAI({ baseURL: `${on.subject.baseUrl}/v1`, apiKey: on.subject.key })
      for (const address of [batch.output_file_id ?? '', batch.error_file_id ?? '', batch.input_file_id]) {
        const text = await (await client.files.content(address)).text()
        expect(text).toBe(await on.get('jobs', address.slice('s3://jobs/'.length)))
      }
      for (const address of ['s3://jobs/nothing.jsonl', 's3://other/in.jsonl', 's3://writable/in.jsonl', 's3://team-none/in/x'])
        expectRefused(await call(on.subject, 'GET', `/v1/files/${encodeURIComponent(address)}/content`), 404)
    })

    test('a batch of many lines, and one that is cancelled, have each line in one of the two objects', async () => {
      const many = linesOf(times(3000))
      await expectResults(await runObject(`${newMark()}/many.jsonl`, many), many)
      const slow = linesOf([...times(30), ...times(30, '[[hang]]')])
      const { id } = await create(on.subject, { input_file_id: await on.put('jobs', `${newMark()}/slow.jsonl`, slow.text) })
      await follow(on.subject, id, ({ request_counts }) => request_counts.completed >= 20)
      await cancel(on.subject, id)
      const batch = await followToEnd(on.subject, id)
      expect(batch.status).toBe('cancelled')
      await expectResults(batch, slow)
    })

    test('results are deleted when their time is over, and what somebody has put in their place is not', async () => {
      const folder = newMark()
      const input_file_id = await on.put('jobs', `${folder}/in.jsonl`, linesOf(['', '[[400]]']).text)
      const output_expires_after = { anchor: 'created_at', seconds: 3600 }
      const { id } = await create(on.subject, { input_file_id, output_expires_after })
      await followToEnd(on.subject, id)
      await on.put('jobs', `${folder}/in-error.jsonl`, 'mine now\n')
      await on.subject.advance(3_700_000)
      await poll(
        () => on.list('jobs', `${folder}/`),
        (keys) => !keys.includes(`${folder}/in-output.jsonl`),
        'the output is deleted',
      )
      expect(await on.get('jobs', `${folder}/in-error.jsonl`)).toBe('mine now\n')
    })

    test('a file in gives files out, wherever blobs lie', async () => {
      const lines = linesOf(['', '[[400]]', ''])
      const { id } = await upload(on.subject, lines.text)
      const batch = await run(id)
      await readResults(on.subject, batch, lines.customIds)
      expect((await on.list('night', 'prod/files/')).length > 0).toBe(before)
    })
  })
})
