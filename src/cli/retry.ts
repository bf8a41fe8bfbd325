import type { Client } from '../client.ts'
import { exit, type Exit } from './failure.ts'
import { describeBatch, type Terminal } from './terminal.ts'
import { watch } from './watch.ts'

export interface RetryFlags {
  readonly code?: readonly string[]
  readonly status?: readonly number[]
  readonly watch?: boolean
}

/** Makes a batch of the lines that failed in another one. */
export async function retry(
  t: Terminal,
  client: Client,
  id: string,
  { code, status, watch: watched }: RetryFlags,
): Promise<Exit> {
  const batch = await client.retryBatch(id, { ...(code && { codes: code }), ...(status && { statuses: status }) })
  if (watched) return watch(t, client, batch.id)
  t.out(t.json ? `${JSON.stringify(batch, null, 2)}\n` : describeBatch(t, batch))
  return exit.done
}
