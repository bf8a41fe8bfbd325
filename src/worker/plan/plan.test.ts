import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  errorsOf,
  goodBody,
  line,
  lines,
  numbered,
  openHome,
  planOf,
  refusalOf,
  specOf,
  type PlannedText,
} from '../../../test/support/plan-file.ts'
import { BlobMissing } from '../../blobs/blobs.ts'
import { makeHash } from '../../domain/custom-id-hash.ts'
import { planFile } from './plan.ts'
import type { PlanResult, PlanSpec } from './plan-spec.ts'

const hash = makeHash(1, 2)
const never = new AbortController().signal
const embeddings = '/v1/embeddings'
const twoTexts = '{"model":"m","input":["a","b"]}'
const fourInputs = lines(line('"a"', twoTexts, embeddings), line('"b"', twoTexts, embeddings))

test('what the plan keeps of a line is its number, its custom_id and its body, byte for byte as they were written', async () => {
  const body = '{ "messages" : [ {"content":"ü\\u00fc\\n😀"} ] , "x" : 1e400 , "model":"m" }'
  const input = `\uFEFF${line('"a"')}\r\n\n  \n${line('"\\u0061\\/b"', ` ${body} `)}\r\n${line('"ü"')}`
  const { result, plan } = await planOf(input)
  expect(plan).toEqual([
    [1, '"a"', goodBody],
    [4, '"\\u0061\\/b"', body],
    [5, '"ü"', goodBody],
  ])
  expect(result).toMatchObject({ kind: 'planned', lines: 3, model: 'm' })
})

test('shards are stretches of whole lines and cover the blob, which has every line of a file of many pages', async () => {
  const bodies = Array.from({ length: 300 }, (_, i) => `{"model":"m","messages":["${`${i} `.repeat(i * 20)}"]}`)
  const { result, plan } = await planOf(lines(...bodies.map((body, i) => line(`"${i}"`, body))), { shardBytes: 200_000 })
  expect(plan).toEqual(bodies.map((body, i) => [i + 1, `"${i}"`, body]))
  const { shards, bytes } = result as Extract<PlanResult, { kind: 'planned' }>
  const sizeOf = ([, id, body]: PlannedText) => 10 + id.length + body.length
  let [at, offset] = [0, 0]
  for (const shard of shards) {
    const own = plan!.slice(at, (at += shard.lines))
    expect([shard.offset, shard.bytes]).toEqual([offset, own.reduce((n, l) => n + sizeOf(l), 0)])
    offset += shard.bytes
  }
  expect([at, offset]).toEqual([300, bytes])
  expect(shards.length).toBeGreaterThan(6)
})

test('a short plan is no blob: each shard has its part of the very bytes that the blob would have', async () => {
  const input = numbered(120)
  const more = { workers: 2, shardLines: 50 }
  const { folder, blobs } = await openHome()
  await blobs.put('in', Buffer.from(input))
  const parts = { read: (s: AbortSignal) => blobs.read('in', undefined, s), target: blobs, hash }
  const long = await planFile(parts, specOf(folder, more), never)
  const short = await planFile(
    parts,
    specOf(folder, { ...more, short: true, target: { ...specOf(folder).target!, name: 'none' } }),
    never,
  )
  if (long.kind !== 'planned' || short.kind !== 'planned') throw new Error('refused')
  const whole = await blobs.readRange({ name: 'plan', start: 0, bytes: long.bytes })
  expect(short.shards).toMatchObject(long.shards)
  expect(short.shards.length).toBeGreaterThan(1)
  expect(Buffer.concat(short.shards.map(({ body }) => Buffer.from(body ?? '', 'base64')))).toEqual(whole)
  expect(await blobs.head('none')).toBeNull()
})

test('a packed file is planned as the file in it, also when it is packed in several pieces', async () => {
  const plain = await planOf(numbered(500))
  const half = numbered(500).length / 2
  const pieces = [numbered(500).slice(0, half), numbered(500).slice(half)].map((piece) => gzipSync(piece))
  expect(await planOf(gzipSync(numbered(500)), { gzip: true })).toEqual(plain)
  expect(await planOf(Buffer.concat(pieces), { gzip: true })).toEqual(plain)
})

test('a packed file of many stretches comes through whole', async () => {
  const bodies = Array.from({ length: 60 }, () => `{"model":"m","messages":["${randomBytes(75_000).toString('base64')}"]}`)
  const { plan } = await planOf(gzipSync(lines(...bodies.map((body, i) => line(`"${i}"`, body)))), { gzip: true })
  expect(plan?.length).toBe(60)
  expect(plan?.every(([, , body], i) => body === bodies[i])).toBe(true)
})

type Errors = readonly (readonly [code: string, line: number | null])[]
const refused: Record<string, readonly [input: string | Buffer, more: Partial<PlanSpec>, errors: Errors]> = {
  'is empty': ['', {}, [['empty_file', null]]],
  'has only blank lines': ['\uFEFF\n \r\n\t', {}, [['empty_file', null]]],
  'is packed and has nothing in it': [gzipSync(''), { gzip: true }, [['empty_file', null]]],
  'has a line too many': [numbered(4), { maxLines: 3 }, [['too_many_tasks', null]]],
  'has a line too many, and wrong ones': [
    lines('no JSON', line('"a"'), line('"b"')),
    { maxLines: 2 },
    [
      ['too_many_tasks', null],
      ['invalid_json_line', 1],
    ],
  ],
  'has a line too many, and with it an input too many': [
    fourInputs,
    { maxLines: 1, maxInputs: 3, endpoint: embeddings },
    [['too_many_tasks', null]],
  ],
  'has a model that no backend has, and a wrong line': [
    lines(line('"a"'), 'no JSON'),
    { models: ['other'] },
    [
      ['model_not_found', 1],
      ['invalid_json_line', 2],
    ],
  ],
  'has an input too many over all lines': [fourInputs, { maxInputs: 3, endpoint: embeddings }, [['too_many_tasks', null]]],
  'has a byte too many': [numbered(1), { maxFileBytes: numbered(1).length - 1 }, [['file_too_large', null]]],
  'has too many bytes when unpacked': [gzipSync(numbered(9)), { gzip: true, maxFileBytes: 500 }, [['file_too_large', null]]],
  'has a line of too many bytes': [
    lines(line('"a"'), `${line('"b"')} `, line('"c"')),
    { maxLineBytes: line('"a"').length },
    [['line_too_long', 2]],
  ],
  'is said to be packed and is not': [numbered(3), { gzip: true }, [['invalid_gzip', null]]],
  'is said to be packed and has no byte': ['', { gzip: true }, [['invalid_gzip', null]]],
  'is packed and not whole': [gzipSync(numbered(3)).subarray(0, -9), { gzip: true }, [['invalid_gzip', null]]],
  'has one wrong line among good ones': [lines(line('"a"'), 'no JSON', line('"b"')), {}, [['invalid_json_line', 2]]],
}
test.each(Object.entries(refused))('a file that %s is refused, and no plan stands', async (_, [input, more, errors]) => {
  expect(await refusalOf(input, more)).toEqual(errors)
})

test('as many lines, inputs and bytes as are allowed are planned', async () => {
  const longest = line('"a"', twoTexts, embeddings).length
  const limits = { maxLines: 2, maxInputs: 4, maxFileBytes: fourInputs.length, maxLineBytes: longest }
  expect((await planOf(fourInputs, { ...limits, endpoint: embeddings })).plan).toHaveLength(2)
})

test('of more than 100 errors those of the first lines are listed, and the last one says how many are not', async () => {
  const { result } = await planOf(lines(line('"a"'), line('"a"'), ...Array.from({ length: 249 }, () => 'x'), line('"b"')))
  const errors = errorsOf(result)
  expect(errors.map((e) => e.line)).toEqual(Array.from({ length: 100 }, (_, i) => i + 2))
  expect(errors[0]!.code).toBe('duplicate_custom_id')
  expect(errors.filter((e) => e.message.includes('not listed'))).toEqual([errors[99]])
  expect(errors[99]!.message).toContain('(150 more errors are not listed.)')
})

describe.each([
  ['plain', false],
  ['packed', true],
])('a %s file', (_, gzip) => {
  const bytes = gzip ? gzipSync(numbered(50)) : Buffer.from(numbered(50))

  test('that breaks off while it is read fails as the reading failed, and leaves nothing', async () => {
    const { folder, blobs } = await openHome()
    const broken = new BlobMissing('it went away')
    async function* read(): AsyncGenerator<Buffer> {
      yield bytes.subarray(0, 100)
      throw broken
    }
    await expect(planFile({ read, target: blobs, hash }, specOf(folder, { gzip }), never)).rejects.toBe(broken)
    expect([await blobs.head('plan'), await readdir(join(folder, '.tmp'))]).toEqual([null, []])
  })

  test('of too many bytes is closed there and not read on, whatever ids it has twice', async () => {
    const { folder, blobs } = await openHome()
    let [given, opened] = [0, 0]
    let close = () => {}
    const closed = new Promise<void>((resolve) => (close = resolve))
    async function* read(): AsyncGenerator<Buffer> {
      opened++
      try {
        for (; given < 10_000; given++) yield bytes
      } finally {
        close()
      }
    }
    const spec = specOf(folder, { gzip, maxFileBytes: 5 * numbered(50).length })
    const result = await planFile({ read, target: blobs, hash }, spec, never)
    await closed
    expect(errorsOf(result).map((e) => e.code)).toEqual(['file_too_large'])
    expect(opened).toBe(1)
    expect(given).toBeLessThan(1000) // NOTE: what stands in the buffers of the unpacker is read, and Node 24 has bigger ones
  })
})

test('a plan that is aborted ends with the reason and leaves nothing', async () => {
  const { folder, blobs } = await openHome()
  const stop = new AbortController()
  async function* read(): AsyncGenerator<Buffer> {
    yield Buffer.from(numbered(5000))
    stop.abort(new Error('stopped'))
    yield Buffer.from('x')
  }
  await expect(planFile({ read, target: blobs, hash }, specOf(folder), stop.signal)).rejects.toThrow('stopped')
  expect([await blobs.head('plan'), await readdir(join(folder, '.tmp'))]).toEqual([null, []])
})
