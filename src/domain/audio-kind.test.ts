import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { audioKindOf, describeAudio } from './audio-kind.ts'
import { kindBytes } from './media-type.ts'

const headOf = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, '../../test/data/audio', name)).subarray(0, kindBytes)

test.for(['speech.wav', 'speech.mp3', 'speech-vbr.mp3', 'speech.flac', 'speech.ogg', 'speech.m4a', 'speech.webm'])(
  '%s is known by its first bytes',
  (name) => {
    expect(name.endsWith(audioKindOf(headOf(name))?.ending ?? 'nothing')).toBe(true)
  },
)

test.for(['', 'RIFF', 'hello, world', '<!doctype html>'])('%j is no audio', (text) => {
  expect(audioKindOf(Buffer.from(text))).toBeNull()
})

test('text in UTF-16 is no audio, though it begins as a frame does', () => {
  expect(audioKindOf(Buffer.from('\uFEFF{"a":1}', 'utf16le'))).toBeNull()
})

const wav = headOf('speech.wav')
test.for([
  [{ name: 'a.mp3', contentType: 'audio/mpeg' }, wav, { name: 'a.mp3', type: 'audio/mpeg' }],
  [{ name: 'a', contentType: null }, wav, { name: 'a.wav', type: 'audio/wav' }],
  [{ name: null, contentType: 'application/octet-stream' }, wav, { name: 'audio.wav', type: 'audio/wav' }],
  [{ name: null, contentType: 'Audio/OGG; codecs=opus' }, Buffer.from('?'), { name: 'audio.ogg', type: 'audio/ogg' }],
  [{ name: null, contentType: 'video/mp4' }, Buffer.from('?'), { name: 'audio', type: 'video/mp4' }],
  [{ name: 'x', contentType: 'audio/a\r\nb: c' }, Buffer.from('?'), { name: 'x', type: 'application/octet-stream' }],
  [{ name: 'talk.2026', contentType: null }, wav, { name: 'talk.2026.wav', type: 'audio/wav' }],
  [{ name: 'get.php', contentType: 'audio/mpeg' }, Buffer.from('?'), { name: 'get.php.mp3', type: 'audio/mpeg' }],
  [{ name: 'a.opus', contentType: null }, headOf('speech.ogg'), { name: 'a.opus', type: 'audio/ogg' }],
] as const)('%j is described', ([told, head, expected]) => {
  expect(describeAudio(told, head)).toEqual(expected)
})
