import { expect } from 'vitest'
import { followToEnd, poll } from './follow.ts'
import { linesOf, times } from './lines.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, cancel, create, expectRefused, getBatch, post, upload } from './wire.ts'

test.skipIf(isRemote)('251: an operator says how much of the server a project has, its administrator does not', async () => {
  await using subject = await openLocal()
  const path = `/v1/admin/projects/${subject.projectId}`
  const operator = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
  const access = [{ project: subject.projectId, rights: ['project:admin'] }]
  const administrator = { ...subject, key: (await subject.newKey({ access })).key }
  expect((await call(operator, 'GET', path)).json).toMatchObject({ weight: 1 })
  expect((await post(operator, path, { weight: 3 })).json).toMatchObject({ name: 'default', weight: 3 })
  expectRefused(await post(administrator, path, { weight: 9 }), 403, { code: 'missing_right' })
  expect((await post(administrator, path, { keep_days: 30 })).json).toMatchObject({ name: 'default', weight: 3, keep_days: 30 })
  for (const weight of [0, 1001, 1.5, 'much']) expectRefused(await post(operator, path, { weight }), 400, { param: 'weight' })
})

test.skipIf(isRemote)(
  '252: while two projects have lines, one with three times the weight is served three times as much',
  async () => {
    await using subject = await openLocal({ maxInFlight: '1' })
    const operator = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
    await post(operator, `/v1/admin/projects/${subject.projectId}`, { weight: 3 })
    const { other } = subject
    if (!other) throw new Error('there is no second project')
    const started = await Promise.all(
      [subject, other].map(async (door) => {
        const lines = linesOf(times(100).map(() => '[[slow 10]]'))
        const { id } = await create(door, { input_file_id: (await upload(door, lines.text)).id })
        return { door, id, mark: lines.mark }
      }),
    )
    const sent: number[][] = []
    for (const { door, id, mark } of started) {
      await followToEnd(door, id)
      sent.push([...(await subject.backend.seen(mark)).at.values()].flat())
    }
    const [heavy = [], light = []] = sent
    const from = Math.max(Math.min(...heavy), Math.min(...light))
    const [threes, ones] = sent.map((at) => at.filter((ms) => ms >= from && ms <= Math.max(...heavy)).length)
    expect(threes! / ones!, `${threes} and ${ones}`).toBeGreaterThan(2.5)
    expect(threes! / ones!, `${threes} and ${ones}`).toBeLessThan(3.5)
  },
)

test.skipIf(isRemote)(
  '253: a batch that would miss its window at the present pace says so, and one that is in time does not',
  async () => {
    await using subject = await openLocal({ maxInFlight: '1', windows: '1h' })
    const { id: file } = await upload(subject, linesOf(times(200).map(() => '[[slow 1000]]')).text)
    const soon = await create(subject, { input_file_id: file, completion_window: '1h' })
    const later = await create(subject, { input_file_id: file, completion_window: '24h' })
    await poll(
      () => getBatch(subject, later.id),
      ({ status }) => status === 'in_progress',
      'the second batch runs',
    )
    expect(Object.keys(await getBatch(subject, soon.id))).not.toContain('at_risk')
    await subject.advance(3_540_000)
    await poll(
      async () => (await call(subject, 'GET', `/v1/batches/${soon.id}`)).json as { at_risk?: boolean },
      ({ at_risk: atRisk }) => atRisk === true,
      'it is at risk',
      40_000,
    )
    expect(Object.keys(await getBatch(subject, later.id))).not.toContain('at_risk')
    for (const { id } of [soon, later]) await cancel(subject, id)
    expect(Object.keys(await getBatch(subject, soon.id))).not.toContain('at_risk')
  },
)
