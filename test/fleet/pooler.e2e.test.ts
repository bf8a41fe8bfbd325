/** A fleet whose way to PostgreSQL is a pooler that lends three connections by the transaction, to all of them. */
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { start } from '../cli/program.ts'
import { follow, followToEnd } from '../conformance/follow.ts'
import { linesOf, times } from '../conformance/lines.ts'
import { readResults } from '../conformance/results.ts'
import { cancel, create, upload } from '../conformance/wire.ts'
import { findPooler, startPooler } from '../support/pooler.ts'
import { newDatabase } from '../support/postgres-server.ts'
import { openFleet } from './fleet.ts'

const { NIGHTSHIFT_TEST_POSTGRES: server } = process.env
const program = await findPooler()

describe.runIf(server !== undefined && program !== null)('behind a pooler in transaction mode', () => {
  async function fresh(): Promise<{ direct: string; pooled: string }> {
    const { url, drop } = await newDatabase(server ?? '')
    const pooler = await startPooler(program ?? '', server ?? '', 3)
    onTestFinished(async () => {
      await pooler.stop()
      await drop()
    })
    return { direct: url, pooled: pooler.through(url) }
  }

  test('batches are made, run by two workers of which one is killed, cancelled; each line has one result, and nothing is left on a session', async () => {
    const { direct, pooled } = await fresh()
    const { server: api, workers } = await openFleet(pooled, 2, ['--max-in-flight', '8'])
    const lines = linesOf(times(400))
    const file = await upload(api, lines.text)
    const batches = await Promise.all(times(3).map(() => create(api, { input_file_id: file.id })))
    const [first, second, last] = batches.map(({ id }) => id)
    await follow(api, first ?? '', ({ request_counts }) => request_counts.completed > 50)
    workers[0]?.signal('SIGKILL')
    expect((await cancel(api, last ?? '')).status).toBe('cancelling')
    for (const id of [first, second]) {
      const batch = await followToEnd(api, id ?? '')
      expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 400, completed: 400 } })
      await readResults(api, batch, lines.customIds)
    }
    expect((await followToEnd(api, last ?? '')).status).toBe('cancelled')
    const client = new pg.Client(direct)
    await client.connect()
    const { rows } = await client.query<{ n: string }>(
      `select count(*) as n from pg_stat_activity where datname = current_database() and application_name = 'nightshift'`,
    )
    await client.end()
    expect(Number(rows[0]?.n), 'all of them by the three connections of the pooler').toBeLessThanOrEqual(3)
  })

  test('four processes that start at once by it make one schema', async () => {
    const { direct, pooled } = await fresh()
    const made = await Promise.all(
      times(4).map((_, i) => start(['projects', 'create', `team-${i}`, '--database', pooled, '--data', '/nonexistent']).ended),
    )
    expect(made.map(({ code, err }) => [code, err])).toEqual(made.map(({ err }) => [0, err]))
    const client = new pg.Client(direct)
    await client.connect()
    const { rows } = await client.query<{ name: string }>(`select name from projects where name like 'team-%' order by name`)
    await client.end()
    expect(rows.map(({ name }) => name)).toEqual(times(4).map((_, i) => `team-${i}`))
  })
})
