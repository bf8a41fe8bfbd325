import fc from 'fast-check'
import { expect, test } from 'vitest'
import { conflicting, isAddress, locate } from './address.ts'
import type { Grant } from './grant.ts'
import type { ProjectId } from './ids.ts'
import { outputKeys } from './output-names.ts'

const projectId = 'p' as ProjectId
const s3 = (bucket: string, more: object = {}): Grant => ({
  projectId,
  bucket,
  place: {
    kind: 's3',
    endpoint: 'https://s3.fr-par.scw.cloud',
    region: 'fr-par',
    accessKeyId: 'k',
    secretAccessKey: { variable: 'S' },
    read: true,
    write: true,
    pathStyle: false,
    ...more,
  },
})
const folder: Grant = { projectId, bucket: 'demo', place: { kind: 'folder', folder: '/data/demo' } }
const grants = [folder, s3('jobs'), s3('team-*'), s3('part', { prefix: 'in/' })]
const at = (text: string) => {
  const found = locate(text, grants)
  return found && [found.bucket, found.key]
}

test.each([
  ['s3://demo/in/a.jsonl', ['demo', 'in/a.jsonl']],
  ['s3://demo/a b+c%20ü.jsonl', ['demo', 'a b+c%20ü.jsonl']],
  ['s3://jobs/a.jsonl', ['jobs', 'a.jsonl']],
  ['https://jobs.s3.fr-par.scw.cloud/in/a.jsonl', ['jobs', 'in/a.jsonl']],
  ['https://s3.fr-par.scw.cloud/jobs/in/a.jsonl', ['jobs', 'in/a.jsonl']],
  ['https://JOBS.S3.fr-par.scw.cloud:443/a%20b%2Bc+d.jsonl', ['jobs', 'a b+c+d.jsonl']],
  ['https://team-x.s3.fr-par.scw.cloud/a', ['team-x', 'a']],
  ['s3://part/in/a', ['part', 'in/a']],
  ['https://jobs.s3.fr-par.scw.cloud/%C3%BC.jsonl', ['jobs', 'ü.jsonl']],
])('%s is found', (text, expected) => expect(at(text)).toEqual(expected))

const hostile = [
  '',
  'a.jsonl',
  'file-abc',
  '/etc/passwd',
  'file:///etc/passwd',
  'ftp://jobs/a',
  's3:/demo/a',
  's3:demo/a',
  's3://',
  's3://demo',
  's3://demo/',
  's3://demo/a/',
  's3:///a',
  's3://other/a',
  's3://DEMO/a',
  's3://demo@evil/a',
  's3://user:pw@demo/a',
  's3://part/out/a',
  's3://part/../in/a',
  's3://demo:80/a',
  's3://team-x*/../a/',
  'http://jobs.s3.fr-par.scw.cloud/a',
  'https://jobs.s3.fr-par.scw.cloud',
  'https://jobs.s3.fr-par.scw.cloud/',
  'https://jobs.s3.fr-par.scw.cloud/a/',
  'https://jobs.s3.fr-par.scw.cloud/a?X-Amz-Signature=1',
  'https://jobs.s3.fr-par.scw.cloud/a?',
  'https://jobs.s3.fr-par.scw.cloud/a#b',
  'https://user@jobs.s3.fr-par.scw.cloud/a',
  'https://user:pw@jobs.s3.fr-par.scw.cloud/a',
  'https://jobs.s3.fr-par.scw.cloud@evil.com/a',
  'https://evil.com/jobs/a',
  'https://jobs.s3.fr-par.scw.cloud.evil.com/a',
  'https://jobs.s3.nl-ams.scw.cloud/a',
  'https://s3.fr-par.scw.cloud/other/a',
  'https://s3.fr-par.scw.cloud/jobs',
  'https://s3.fr-par.scw.cloud/jobs/',
  'https://other.s3.fr-par.scw.cloud/a',
  'https://a.jobs.s3.fr-par.scw.cloud/a',
  'https://jobs.s3.fr-par.scw.cloud:8443/a',
  'https://jobs.s3.fr-par.scw.cloud:444443/a',
  'https://jobs.s3.fr-par.scw.cloud:/a',
  'https://169.254.169.254/latest/meta-data',
  'http://169.254.169.254/jobs/a',
  'http://localhost/jobs/a',
  'https://127.0.0.1/jobs/a',
  'https://[::1]/jobs/a',
  'https://0x7f.1/jobs/a',
  'https://jobs.s3.fr-par.scw.cloud\\@evil.com/a',
  'https:\\\\jobs.s3.fr-par.scw.cloud\\a',
  'https://jobs.s3.fr-par.scw.cloud/a\\b',
  'https://jobs.s3.fr-par.scw.cloud/a b',
  'https://jobs.s3.fr-par.scw.cloud/a\nb',
  'https://jobs.s3.fr-par.scw.cloud/a\tb',
  'https://jobs.s3.fr-par.scw.cloud/a\u0000',
  'https://jobs.s3.fr-par.scw.cloud/%',
  'https://jobs.s3.fr-par.scw.cloud/%zz',
  'https://jobs.s3.fr-par.scw.cloud/%ff%fe',
  'https://jobs%2es3.fr-par.scw.cloud/a',
  'https://xn--jobs.s3.fr-par.scw.cloud/a',
  'https://jobs。s3.fr-par.scw.cloud/a',
  ' https://jobs.s3.fr-par.scw.cloud/a',
  'https://jobs.s3.fr-par.scw.cloud/a ',
  'https:jobs.s3.fr-par.scw.cloud/a',
  '//jobs.s3.fr-par.scw.cloud/a',
  'https:///jobs/a',
  'https://.s3.fr-par.scw.cloud/a',
  'javascript:alert(1)',
  'data:text/plain,x',
  'gopher://jobs.s3.fr-par.scw.cloud/a',
  `s3://demo/${'x'.repeat(1025)}`,
  'https://s3.fr-par.scw.cloud/team-x%2f..%2fjobs%2fa',
]
test.each(hostile)('%j is not', (text) => expect(at(text)).toBeNull())
test('there are enough of them', () => expect(new Set(hostile).size).toBeGreaterThanOrEqual(60))

test('another key is found again under the address that is made for it', () => {
  const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }).filter((k) => !k.endsWith('/') && !k.startsWith('/'))
  fc.assert(
    fc.property(key, key, fc.constantFrom('s3', 'virtual', 'path'), (from, to, form) => {
      const base = { s3: 's3://jobs/', virtual: 'https://jobs.s3.fr-par.scw.cloud/', path: 'https://s3.fr-par.scw.cloud/jobs/' }[
        form
      ]
      const found = locate(base + (form === 's3' ? from : from.split('/').map(encodeURIComponent).join('/')), grants)
      if (form === 's3' && from.includes('\n')) return
      expect(found?.key).toBe(from)
      const address = found!.addressOf(to)
      expect(address.startsWith(base)).toBe(true)
      expect(locate(address, grants)?.key).toBe(to)
    }),
  )
})

test('results keep the encoding in which the input was given', () => {
  const found = locate('https://jobs.s3.fr-par.scw.cloud/a%2fb/c(1)%20.jsonl', grants)
  expect(found?.addressOf('a/b/c(1) -output.jsonl')).toBe('https://jobs.s3.fr-par.scw.cloud/a%2fb/c(1)%20-output.jsonl')
})

test.each([
  ['q%2Fz.jsonl', 'q%2Fz-output.jsonl'],
  ['a/b%2fc.jsonl', 'a/b%2fc-output.jsonl'],
  ['a%2Fb/c.jsonl', 'a%2Fb/c-output.jsonl'],
  ['p%281%29%21.jsonl', 'p%281%29%21-output.jsonl'],
  ['%c3%a9%20%F0%9F%98%80.jsonl', '%c3%a9%20%F0%9F%98%80-output.jsonl'],
  ['é😀.jsonl', 'é😀-output.jsonl'],
  ['x%2ejsonl', 'x-output.jsonl'],
  ['%78', '%78-output.jsonl'],
])('of an input at %s the output is at %s', (raw, output) => {
  for (const base of ['https://jobs.s3.fr-par.scw.cloud/', 'https://s3.fr-par.scw.cloud/jobs/']) {
    const found = locate(base + raw, grants)
    const key = outputKeys(found?.key ?? '', { output: '-output.jsonl', error: '-error.jsonl' }).output
    expect(found?.addressOf(key)).toBe(base + output)
    expect(locate(base + output, grants)?.key).toBe(key)
  }
})

test('two grants of one project that answer to one name contradict each other', () => {
  expect(conflicting([folder, s3('demo')])).toContain('s3://demo/')
  expect(conflicting([s3('team-*'), s3('team-a')])).toContain('s3://team-a/')
  expect(conflicting([folder, { ...s3('demo'), projectId: 'q' as ProjectId }, s3('jobs')])).toBeNull()
})

test('the form of an address is known without a grant', () => {
  expect(['s3://x/y', 'https://x', 'HTTP://x', 'file-abc', 's3:x', ''].map(isAddress)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ])
})
