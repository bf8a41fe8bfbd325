import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { imagesAtMost, imagesIn, imageType } from './images.ts'

const https = 'https://example.com/cat.png'
const addressesIn = (body: unknown) => imagesIn(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))
const named = (body: unknown) => addressesIn(body).map(({ address }) => address)
const chat = (...content: unknown[]) => ({ model: 'm', messages: [{ role: 'user', content }] })
const shown = (url: unknown, more = {}) => ({ type: 'image_url', image_url: { url, ...more } })

describe('images that a body names', () => {
  test('in chats, as an object or as text, and in responses, also in what a tool gave', () => {
    expect(named(chat({ type: 'text', text: 'what is it?' }, shown(https, { detail: 'low' }), shown('s3://demo/a.png')))).toEqual(
      [https, 's3://demo/a.png'],
    )
    expect(named(chat({ type: 'image_url', image_url: https }))).toEqual([https])
    const response = { model: 'm', input: [{ role: 'user', content: [{ type: 'input_image', image_url: https }] }] }
    expect(named(response)).toEqual([https])
    expect(
      named({ input: [{ type: 'function_call_output', output: [{ type: 'input_image', image_url: 's3://b/k' }] }] }),
    ).toEqual(['s3://b/k'])
  })

  test('what is there already, is no address, or stands elsewhere is left alone', () => {
    for (const url of ['data:image/png;base64,AAAA', 'cat.png', 'ftp://example.com/a', '', 7, null, [https], { url: https }])
      expect(named(chat(shown(url))), JSON.stringify(url)).toEqual([])
    expect(named(chat({ type: 'text', text: `"image_url":"${https}"` }))).toEqual([])
    expect(named({ ...chat('hi'), tools: [{ parameters: { image_url: https } }], image_url: https })).toEqual([])
    expect(named(chat({ type: 'image_url', image_url: { detail: { url: https } } }))).toEqual([])
    expect(named(chat({ image_url: { image_url: {}, url: https } })), 'also around another').toEqual([https])
    expect(named(chat({ type: 'link', url: https }, { image_url: {} }, { url: https }))).toEqual([])
  })

  test('of more than may be, no more are looked for than tell so', () => {
    expect(named(chat(...Array.from({ length: 2000 }, () => shown(https))))).toHaveLength(imagesAtMost + 1)
  })

  test('escaped names and addresses are what they say, and space changes nothing', () => {
    const body = `{ "messages" : [ { "content" : [ { "image\\u005furl" : { "detail":"low" , "u\\u0072l" :\n "https:\\/\\/example.com\\/a\\u0062.png" } } ] } ] }`
    const [place] = addressesIn(body)
    expect(place?.address).toBe('https://example.com/ab.png')
    expect(body.slice(place?.start, place?.end)).toBe('"https:\\/\\/example.com\\/a\\u0062.png"')
  })

  test('whatever a body is, they are those that a reader of its JSON finds, in its order', () => {
    const address = fc.constantFrom(https, 's3://b/k', 'http://x/"\\\u00fc', 'data:,x', 'none', 'image_url')
    const key = fc.constantFrom('messages', 'input', 'image_url', 'url', 'content', 'a"b', 'ü')
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5, withCrossShrink: true },
        address,
        fc.constantFrom(1.5e-7, true, null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4 }),
      ),
    }))
    const wanted = (of: unknown): string[] => {
      const isOpened = (text: unknown): text is string => typeof text === 'string' && /^(s3|https?):/.test(text)
      if (Array.isArray(of)) return of.flatMap(wanted)
      if (typeof of !== 'object' || of === null) return []
      return Object.entries(of).flatMap(([name, inner]) => {
        if (name !== 'image_url') return wanted(inner)
        if (isOpened(inner)) return [inner]
        if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return wanted(inner)
        return Object.entries(inner as object).flatMap(([within, its]) =>
          within === 'url' && isOpened(its) ? [its] : wanted({ [within]: its as unknown }),
        )
      })
    }
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 4 }), fc.constantFrom(0, 2), (body, indent) => {
        const text = JSON.stringify(body, null, indent)
        const places = addressesIn(text)
        const talk = Object.entries(body).filter(([name]) => name === 'messages' || name === 'input')
        expect(places.map((place) => place.address)).toEqual(talk.flatMap(([, inner]) => wanted(inner)))
        const bytes = Buffer.from(text)
        for (const place of places) expect(JSON.parse(bytes.toString('utf8', place.start, place.end))).toBe(place.address)
      }),
      { numRuns: 3000 },
    )
  })
})

test.each([
  ['image/png', '89504e470d0a1a0a0000000d', null],
  ['image/jpeg', 'ffd8ffe000104a4649460001', 'image/png'],
  ['image/gif', '474946383961010001000000', 'text/html'],
  ['image/webp', '524946460000000057454250', null],
  ['image/avif', '000000206674797061766966', null],
  ['image/svg+xml', '3c737667', 'Image/SVG+XML; charset=utf-8'],
  [null, '3c68746d6c3e', 'text/html'],
  [null, '524946460000000057415645', null],
  [null, '', 'image/"x'],
  [null, '', null],
])('%s is told by %s, or by the type %s', (type, head, told) => {
  expect(imageType(Buffer.from(head, 'hex'), told)).toBe(type)
})
