import fc from 'fast-check'
import { expect, test } from 'vitest'
import { multipartFrame } from './multipart.ts'

/** What a server makes of it, by the parser that Node has. */
async function parsed(fields: readonly (readonly [string, string])[], name: string, bytes: Uint8Array) {
  const { contentType, head, tail } = multipartFrame('a-boundary-that-is-nowhere-else', fields, {
    field: 'file',
    name,
    type: 'audio/wav',
  })
  const response = new Response(Buffer.concat([head, bytes, tail]), { headers: { 'content-type': contentType } })
  return [...(await response.formData()).entries()]
}

test('the file comes as it is, after the fields', async () => {
  const bytes = Buffer.from('\r\n--RIFF\r\n\0')
  const entries = await parsed(
    [
      ['model', 'w'],
      ['prompt', 'a\r\nb "c"'],
      ['t[]', '1'],
      ['t[]', '2'],
    ],
    'speech.wav',
    bytes,
  )
  expect(entries.slice(0, 4)).toEqual([
    ['model', 'w'],
    ['prompt', 'a\r\nb "c"'],
    ['t[]', '1'],
    ['t[]', '2'],
  ])
  const file = entries[4]?.[1] as File
  expect([entries[4]?.[0], file.name, file.type]).toEqual(['file', 'speech.wav', 'audio/wav'])
  expect(Buffer.from(await file.arrayBuffer())).toEqual(bytes)
})

test('no name or value makes a field or a header of its own', async () => {
  const texts = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(texts, fc.constantFrom('a"; filename="b', 'x\r\ny: z', '"', 'é.wav'), async (fields, name) => {
      const entries = await parsed(fields, name, Buffer.from('x'))
      expect(entries.map(([, value]) => typeof value)).toEqual([...fields.map(() => 'string'), 'object'])
    }),
  )
})
