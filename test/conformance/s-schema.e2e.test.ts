/** What /openapi.json says, held against what the server does, by schemathesis with all its checks: every route, as a plain key and as an operator. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished } from 'vitest'
import { followToEnd } from './follow.ts'
import { linesOf } from './lines.ts'
import { onPostgres } from './local.ts'
import { findPython, whyNoPython } from './python.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { create, upload } from './wire.ts'

const program = join(dirname(findPython() ?? ''), 'schemathesis')
const isThere = existsSync(program)
if (!isThere) {
  const said = `Left out: /openapi.json against the server, which needs schemathesis. ${whyNoPython}`
  if (process.env.NIGHTSHIFT_TEST_ALL !== undefined) throw new Error(said)
  console.warn(said)
}

/** What no schema says: whether an id, an address, a name or a pair of dates is one that the server knows or takes, and that only one kind of quota may be of a model. There a 400 is an answer to valid data, too. */
const judged =
  '/v1/(batches|files|webhooks|admin/keys|admin/quotas|admin/projects|admin/projects/\\\\{id\\\\}|usage|admin/usage|organization/usage/\\\\{kind\\\\}|batches/\\\\{id\\\\}/results)$'
const accepted = '"2xx", 401, 403, 404, 409, 429'
const config = `[checks.positive_data_acceptance]
expected-statuses = [${accepted}]

[[operations]]
include-path-regex = "${judged}"
checks.positive_data_acceptance.expected-statuses = [400, ${accepted}]
`

const run = promisify(execFile)

test.skipIf(isRemote || onPostgres || !isThere).for(['plain', 'operator'] as const)(
  '201: every route does what its schema says, asked as one who is: %s',
  { timeout: 300_000 },
  async (who) => {
    await using subject = await openLocal()
    const { id } = await upload(subject, linesOf(['']).text)
    await followToEnd(subject, (await create(subject, { input_file_id: id })).id)
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-schema-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'schemathesis.toml'), config)
    const { key } = await subject.newKey({ isOperator: who === 'operator' })
    const args = ['--config-file', 'schemathesis.toml', 'run', `${subject.baseUrl}/openapi.json`]
    args.push(
      '--header',
      `Authorization: Bearer ${key}`,
      '--checks',
      'all',
      '--continue-on-failure',
      '--max-examples',
      '15',
      '--seed',
      process.env.SCHEMA_SEED ?? '1',
    )
    const { stdout, code } = await run(program, args, { cwd: folder, maxBuffer: 1e8 }).then(
      (ended) => ({ ...ended, code: 0 }),
      (error: { stdout: string; code: number }) => error,
    )
    expect(code, stdout.slice(-6000)).toBe(0)
    expect(stdout).toMatch(/[1-9]\d* generated/)
  },
)
