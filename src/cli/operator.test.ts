import { expect, test } from 'vitest'
import { auditWire } from '../domain/audit.ts'
import type { Office } from './office.ts'
import { listAudit } from './operator.ts'
import { openTerminal } from './terminal.ts'

test('who has no key and did something is a command; who was not let is nobody known, whatever was wrong', async () => {
  const entry = { at: 0, projectId: null, keyId: null, target: null, address: 'x' }
  const said = [
    auditWire({ ...entry, id: '1', operation: 'admin.keys.create', status: 200 }),
    auditWire({ ...entry, id: '2', operation: 'batches.list', status: 401 }),
    auditWire({ ...entry, id: '3', operation: 'batches.list', status: 403 }),
  ]
  let out = ''
  const office = { audit: async () => said } as unknown as Office
  await listAudit({ ...openTerminal(false, {}), out: (text) => void (out += text) }, office, { limit: 3 })
  expect(out.split('\n').map((line) => /a command|nobody known/.exec(line)?.[0])).toEqual([
    undefined,
    'a command',
    'nobody known',
    'nobody known',
    undefined,
  ])
})
