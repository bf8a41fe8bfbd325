import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { followToEnd } from '../conformance/follow.ts'
import { linesOf, times, threeLines } from '../conformance/lines.ts'
import { openLocal, type LocalSubject } from '../conformance/local.ts'
import { expectAccounted, parseResults } from '../conformance/results.ts'
import { allBatches, create, getBatch } from '../conformance/wire.ts'
import { clients, howToAdd, pollers, type Client } from './clients.ts'

const run = promisify(execFile)

const missing = [...clients, ...pollers].filter(({ needs }) => needs !== null)
if (missing.length > 0) {
  const said = `Left out: the official clients ${missing.map(({ name }) => name).join('; ')}. To add them, ${howToAdd}.`
  if (process.env.NIGHTSHIFT_TEST_ALL !== undefined) throw new Error(said)
  console.warn(said)
}

/** Runs an example as a user would, and gives what it said, line by line: words first, results after them. */
async function say({ baseUrl, key, projectId }: LocalSubject, { command }: Client, input: string) {
  const [program = '', ...args] = command
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    OPENAI_BASE_URL: `${baseUrl}/v1`,
    OPENAI_API_KEY: key,
    BATCH_API: `${baseUrl}/${projectId}/v1`,
  }
  const { stdout } = await run(program, [...args, input], { env })
  const said = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
  return {
    words: Object.fromEntries(said.map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)])),
    results: parseResults(stdout.slice(stdout.indexOf('{'))),
  }
}

test.each(clients.filter(({ needs }) => needs === null))(
  '$name: upload, create, get, list by pages, cancel, results',
  async (client) => {
    await using subject = await openLocal()
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-client-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const lines = linesOf(['[[400]]', ...times(5, '[[slow 1000]]')])
    const path = join(folder, 'lines.jsonl')
    await writeFile(path, lines.text)
    for (let i = 0; i < 5; i++) await create(subject, { input_file_id: 'file-0000000000000000000000ab' })

    const { words, results } = await say(subject, client, path)
    expect(words).toMatchObject({ status: 'completed', listed: '7' })
    const batch = await getBatch(subject, words.batch ?? '')
    expect(batch).toMatchObject({ status: 'completed', input_file_id: words.file })
    const [output, errors] = [
      results.filter((r) => r.response?.status_code === 200),
      results.filter((r) => r.response?.status_code !== 200),
    ]
    expectAccounted(batch, { output, errors }, lines.customIds)
    const [cancelled, status] = words.cancel?.split(' ') ?? []
    expect(status?.toLowerCase()).toMatch(/^cancell(ing|ed)$/)
    expect((await followToEnd(subject, cancelled ?? '')).status).toBe('cancelled')
    expect(await allBatches(subject)).toHaveLength(7)
  },
)

test.each(pollers.filter(({ needs }) => needs === null))(
  "a poller that knows four statuses, over an object's address, with $name",
  async (client) => {
    await using subject = await openLocal()
    for (let i = 0; i < 5; i++) {
      const lines = threeLines()
      await writeFile(join(subject.bucket.folder, `night-${i}.jsonl`), lines.text)
      const { words, results } = await say(subject, client, `s3://default/night-${i}.jsonl`)
      expect(words).toMatchObject({ status: 'completed', output: `s3://default/night-${i}-output.jsonl` })
      expectAccounted(await getBatch(subject, words.batch ?? ''), { output: results, errors: [] }, lines.customIds)
    }
  },
)
