import { describe, expect, onTestFinished, test } from 'vitest'
import { newBatch, project } from '../../test/support/batch-rows.ts'
import { noPrices } from '../../test/support/one.ts'
import { databases } from '../../test/support/databases.ts'
import type { Quota } from '../domain/quota.ts'
import { gather } from './gather.ts'
import { putQuota, runningOf } from './quotas.ts'
import { startBatches, type Start } from './starts.ts'
import { claimPlans } from './walks.ts'

const plan = { blob: 'plan', bytes: 1, lines: 1, tokens: 1000, cost: 1000, model: 'm', shards: [{ number: 0, offset: 0, bytes: 1, lines: 1 }] } // prettier-ignore

describe.each(Object.entries(databases))('%s', (_, open) => {
  test.each<[string, Pick<Quota, 'kind' | 'model'>]>([
    ['tokens may be enqueued', { kind: 'enqueued_tokens', model: null }],
    ['tokens of their model may be enqueued', { kind: 'enqueued_tokens', model: 'm' }],
    ['tokens may be used a day', { kind: 'tokens_day', model: null }],
    ['tokens may be used a month', { kind: 'tokens_month', model: null }],
    ['money may be spent a day', { kind: 'cost_day', model: null }],
    ['money may be spent a month', { kind: 'cost_month', model: null }],
  ])('of twenty at once as many start as %s, whoever starts them', async (__, kind) => {
    const db = await open()
    onTestFinished(() => db[Symbol.asyncDispose]())
    for (let i = 0; i < 20; i++) await newBatch(db)
    const quota = { projectId: project, ...kind, amount: 5500 }
    await putQuota(db, quota)
    const starts = (await claimPlans(db, 'w', 60_000, 20)).map(({ batch, fence }): Start => ({ id: batch.id, fence, plan }))
    const together = gather(db, (tx, some: readonly Start[]) => startBatches(tx, some, noPrices), 20)
    const alone = (one: Start) => db.tx((tx) => startBatches(tx, [one], noPrices)).then(([started]) => started)
    const started = await Promise.all(starts.map((one, i) => (i % 2 ? alone(one) : together(one))))
    expect(started.filter((one) => one === 'started')).toHaveLength(5)
    expect(started.filter((one) => one !== 'started')).toEqual(Array(15).fill(quota))
    expect(await runningOf(db, project)).toHaveLength(5)
  })
})
