import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formOf } from './form.ts'

const of = (body: string, model: string | null = null) => formOf(Buffer.from(body), model === null ? null : Buffer.from(model))

test.for([
  ['{"model":"w","file_url":"https://a/b"}', 'https://a/b'],
  ['{"url":"https://a/b"}', 'https://a/b'],
  ['{"file":"data:audio/wav;base64,AA=="}', 'data:audio/wav;base64,AA=='],
  ['{"file":"c","url":"b","file_url":"a"}', 'a'],
  ['{"file_url":null,"url":"b"}', 'b'],
  [String.raw`{"file_url":"https:\/\/a\/\u00e9"}`, 'https://a/é'],
  ['{"file_url":"first","file_url":"last"}', 'last'],
  ['{"file_url":{"a":1},"url":"b"}', null],
  ['{"file_url":7}', null],
  ['{}', null],
] as const)('where the audio lies: %j', ([body, address]) => {
  expect(of(body).address).toBe(address)
})

test('fields go as they were given, and numbers as they were written', () => {
  const body = String.raw`{"model":"w","language":"de","temperature":0.10,"prompt":"a\nb","big":12345678901234567890,"yes":true,"no":null,"file":"x"}`
  expect(of(body).fields).toEqual([
    ['model', 'w'],
    ['language', 'de'],
    ['temperature', '0.10'],
    ['prompt', 'a\nb'],
    ['big', '12345678901234567890'],
    ['yes', 'true'],
  ])
})

test('lists and objects are taken apart as the clients of OpenAI do it; what is nested in them is JSON', () => {
  expect(of('{"timestamp_granularities":["word","segment"]}').fields).toEqual([
    ['timestamp_granularities[]', 'word'],
    ['timestamp_granularities[]', 'segment'],
  ])
  expect(of('{"timestamp_granularities[]":["word",null]}').fields).toEqual([['timestamp_granularities[]', 'word']])
  expect(of('{"chunking_strategy":{"type":"server_vad","threshold":0.5}}').fields).toEqual([
    ['chunking_strategy[type]', 'server_vad'],
    ['chunking_strategy[threshold]', '0.5'],
  ])
  expect(of('{"big":[12345678901234567890, 1.0,"a\\"[,",true],"o":{"n":1e400}}').fields).toEqual([
    ['big[]', '12345678901234567890'],
    ['big[]', '1.0'],
    ['big[]', 'a"[,'],
    ['big[]', 'true'],
    ['o[n]', '1e400'],
  ])
  expect(of('{"x":[ {"a":1} ]}').fields).toEqual([['x', '[ {"a":1} ]']])
  expect(of('{"x":[]}').fields).toEqual([])
})

test('a value that is nested deep, or is long, is one field', () => {
  const deep = '['.repeat(10_000) + ']'.repeat(10_000)
  expect(of(`{"x":${deep}}`).fields).toEqual([['x', deep]])
  const long = JSON.stringify(Array.from({ length: 20_000 }, () => 'abc'))
  expect(of(`{"x":${long}}`).fields).toEqual([['x', long]])
})

test.for([
  ['text', true],
  ['srt', true],
  ['vtt', true],
  ['json', false],
  ['verbose_json', false],
] as const)('an answer in the form %s is text: %j', ([format, asText]) => {
  expect(of(JSON.stringify({ response_format: format })).asText).toBe(asText)
})

test('an alias takes the place of the model', () => {
  expect(of('{"model":"w","file":"x","language":"de"}', '"org/w"').fields).toEqual([
    ['model', 'org/w'],
    ['language', 'de'],
  ])
})

test('every body that is an object is a form of texts', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
      const { fields } = of(JSON.stringify(body))
      for (const [name, value] of fields) expect([typeof name, typeof value]).toEqual(['string', 'string'])
    }),
  )
})
