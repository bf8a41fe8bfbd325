import type { DispatchSettings } from '../../src/dispatch/feed.ts'
import type { WorkerSettings } from '../../src/worker/parts.ts'
import type { Chance } from '../support/chance.ts'

/** How a world is set up. Leases and time-outs are short, so that much happens in a minute. */
export interface Setup {
  readonly count: number
  readonly backends: readonly { readonly url: string; readonly models: readonly string[] }[]
  readonly workers: WorkerSettings
  readonly dispatch: DispatchSettings
}

export function drawSettings(chance: Chance): Setup {
  const count = chance.pick([1, 2, 2, 3])
  const listed = chance.happens(0.5)
  const backends = chance.pick([
    [{ url: 'b1', models: ['m', 'n'] }],
    [
      { url: 'b1', models: ['m', 'n'] },
      { url: 'b2', models: ['m'] },
    ],
  ])
  const ceiling = chance.pick([1, 4, 16])
  return {
    count,
    backends,
    workers: {
      leaseMs: chance.pick([3000, 6000]),
      renewMs: 1000,
      lookMs: chance.pick([250, 400]),
      flushMs: chance.pick([600, 1500]),
      flushBytes: chance.pick([500, 3000, 8_000_000]),
      heldBytes: chance.pick([3000, 64_000_000]),
      shardLines: chance.pick([3, 10, 1000]),
      shardBytes: 8_000_000,
      shortBytes: chance.pick([1, 400, 32_768]),
      maxLines: 50_000,
      maxFileBytes: 1e9,
      maxInputs: 50_000,
      maxLineBytes: 1e6,
      graceMs: chance.pick([1000, 5000]),
      suffixes: { output: '-output.jsonl', error: '-error.jsonl' },
      outputFileMs: 30 * 86_400_000,
      keepBatchesMs: 0,
      keepAuditMs: 0,
      fleet: count > 1,
    },
    dispatch: {
      backends: backends.map(({ url, models }) => ({
        url,
        key: null,
        headers: {},
        models: listed ? models : null,
        endpoints: null,
        maxInFlight: ceiling,
      })),
      attempts: 4,
      backoffBaseMs: 100,
      backoffMaxMs: 3000,
      connectTimeoutMs: 1000,
      firstByteTimeoutMs: 5000,
      answerTimeoutMs: 10_000,
      maxAnswerBytes: 1e6,
      startInFlight: chance.pick([1, 8]),
      discoverEveryMs: 10_000,
    },
  }
}
