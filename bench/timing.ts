/** Can a project learn from the time of an answer that something of another's exists? What is another's and what is not there are asked for in random turns. */
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import { createKey } from '../src/auth/keys.ts'
import { makeFileId, type ProjectId } from '../src/domain/ids.ts'
import { systemClock } from '../src/kit/clock.ts'
import { openDatabase } from '../src/store/open.ts'
import { insertProject } from '../src/store/projects.ts'
import { create, upload } from './batch.ts'
import { startServer } from './child.ts'
import { fileOf, mean, row, type Scenario } from './table.ts'

const pairs = 3000
/** As SECURITY.md states it: the row of another's file is fetched before it is seen whose it is. To ask for it is to know its id, which has 142 bits of chance. */
const boundUs = 50
/** The fastest and the slowest of each side tell of the machine. */
const trimmed = 0.1

const middle = (times: readonly number[]): number[] =>
  times.toSorted((a, b) => a - b).slice(Math.floor(times.length * trimmed), Math.ceil(times.length * (1 - trimmed)))

/** Mean difference of two samples and its standard error (Welch), in microseconds. */
function apart(a: readonly number[], b: readonly number[]): { by: number; error: number } {
  const [x, y] = [middle(a), middle(b)]
  const variance = (of: readonly number[]) => mean(of.map((n) => (n - mean(of)) ** 2)) / of.length
  return { by: (mean(x) - mean(y)) * 1000, error: Math.sqrt(variance(x) + variance(y)) * 1000 }
}

async function timing(): Promise<void> {
  await using server = await startServer([])
  const file = await upload(server, await fileOf(10, 330))
  const batch = await create(server, file)
  const db = await openDatabase({ folder: server.data, clock: systemClock })
  const id = randomUUID() as ProjectId
  await insertProject(db, { id, name: 'nosy', isDefault: false, createdAt: Date.now() })
  const { secret } = await createKey(db, { id: randomUUID(), projectId: id, name: 'k', createdAt: Date.now(), randomBytes })
  await db[Symbol.asyncDispose]()
  await pause(500)
  const pool = new Pool(new URL(server.url).origin, { connections: 1 })
  const ask = async (method: 'GET' | 'POST' | 'DELETE', path: string): Promise<number> => {
    const from = performance.now()
    const { statusCode, body } = await pool.request({
      method,
      path: `/v1${path}`,
      headers: { authorization: `Bearer ${secret}` },
    })
    await body.dump()
    if (statusCode !== 404) throw new Error(`${method} ${path} is ${statusCode}`)
    return performance.now() - from
  }
  const missing = [randomUUID().replace(/^(.{14})./, '$17'), makeFileId(randomBytes)]
  for (const [what, method, path] of [
    ['get a batch', 'GET', (ids: readonly string[]) => `/batches/${ids[0]}`],
    ['cancel a batch', 'POST', (ids: readonly string[]) => `/batches/${ids[0]}/cancel`],
    ['get a file', 'GET', (ids: readonly string[]) => `/files/${ids[1]}`],
    ['read a file', 'GET', (ids: readonly string[]) => `/files/${ids[1]}/content`],
    ['delete a file', 'DELETE', (ids: readonly string[]) => `/files/${ids[1]}`],
  ] as const) {
    const times: [number[], number[]] = [[], []]
    for (let i = 0; i < pairs; i++) {
      const turn = Math.random() < 0.5 ? [0, 1] : [1, 0]
      for (const side of turn) times[side as 0 | 1].push(await ask(method, path(side === 0 ? [batch.id, file] : missing)))
    }
    const { by, error } = apart(...times)
    row(
      `${what}: another's against one that is not there, ${pairs} times each`,
      `at most ${(Math.abs(by) + 3 * error).toFixed(1)} us apart (${by.toFixed(1)}, and three standard errors), of ${(mean(middle(times[1])) * 1000).toFixed(0)} us`,
      `< ${boundUs} us`,
    )
  }
  await pool.close()
}

export const timingScenarios: Readonly<Record<string, Scenario>> = { timing }
