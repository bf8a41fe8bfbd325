import { expect, test } from 'vitest'
import type { KeyId, ProjectId } from './domain/ids.ts'
import { makeEvents } from './events.ts'
import { makeMetrics } from './kit/metrics.ts'
import { pinoLog } from './kit/pino-log.ts'

test('the line of an audit says whose key it was, as the row does', () => {
  const lines: string[] = []
  const log = pinoLog('info', { write: (line) => void lines.push(line) })
  const who = { projectId: 'p1' as ProjectId, keyId: 'the-id-of-a-key' as KeyId, address: '10.0.0.1' }
  makeEvents({ log, metrics: makeMetrics() }).audited({
    id: 'a',
    at: 0,
    operation: 'batches.create',
    target: 'b1',
    status: 200,
    ...who,
  })
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { msg: 'audit', project: 'p1', keyId: 'the-id-of-a-key', operation: 'batches.create', target: 'b1', address: '10.0.0.1' },
  ])
})
