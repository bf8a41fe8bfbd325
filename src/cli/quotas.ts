import type { QuotaOrder } from '../client.ts'
import { exit, type Exit } from './failure.ts'
import type { Office } from './office.ts'
import { table, type Terminal } from './terminal.ts'

export async function listQuotas(t: Terminal, office: Office, project: string | undefined): Promise<Exit> {
  const found = await office.quotas(project)
  const rows = found.map((q) => [q.kind, q.model ?? 'all', String(q.amount), q.used === null ? '' : String(q.used)])
  t.out(t.json ? `${JSON.stringify(found, null, 2)}\n` : table([['KIND', 'MODEL', 'AT MOST', 'USED'], ...rows]))
  return exit.done
}

export async function setQuota(t: Terminal, office: Office, order: QuotaOrder): Promise<Exit> {
  const set = await office.setQuota(order)
  t.out(t.json ? `${JSON.stringify(set, null, 2)}\n` : `${set.kind} of ${set.model ?? 'all models'}: ${set.amount} at most\n`)
  return exit.done
}

export async function deleteQuota(t: Terminal, office: Office, name: Omit<QuotaOrder, 'amount'>): Promise<Exit> {
  await office.deleteQuota(name)
  t.out(t.json ? `${JSON.stringify({ ...name, deleted: true }, null, 2)}\n` : `${name.kind} is not bounded any more\n`)
  return exit.done
}
