import { openClient, type Client } from '../client.ts'
import type { Settings } from '../config.ts'
import { exit, Failure } from './failure.ts'

/** Where projects and keys are looked after: a server by its address, with the key of an operator or administrator, or the database of one on this machine. */
export type Office = Pick<
  Client,
  | 'projects'
  | 'createProject'
  | 'changeProject'
  | 'eraseProject'
  | 'erasures'
  | 'keys'
  | 'createKey'
  | 'revokeKey'
  | 'buckets'
  | 'audit'
  | 'quotas'
  | 'setQuota'
  | 'deleteQuota'
  | 'usageOfAll'
>

export interface OfficeFlags {
  readonly url?: string
  readonly key?: string
}

/** `mayMake`: a data folder that is not there yet is made. */
export async function inOffice<T>(
  { url, key }: OfficeFlags,
  settings: Settings,
  work: (office: Office) => Promise<T>,
  mayMake = false,
): Promise<T> {
  if (url !== undefined && key !== undefined) return work(openClient({ url, key }))
  if (url !== undefined || key !== undefined) throw new Failure('--url and --key go together: give both, or neither.', exit.usage)
  const { inLocalOffice } = await import('./local-office.ts') // NOTE: late: it loads the database, which a call of a server does not need
  return inLocalOffice(settings, work, mayMake)
}
