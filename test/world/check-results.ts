import { isTerminal, type Batch } from '../../src/domain/batch.ts'
import { foreign, bucketName, type Client } from './client.ts'
import type { InputLine } from './intent.ts'
import type { World } from './world-parts.ts'

/** One line of a result file, as far as it is looked at. */
interface Result {
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly body: ResultBody } | null
  readonly error: { readonly code: string } | null
}
interface ResultBody {
  readonly mark?: string
  readonly error?: { readonly message: string }
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number }
}

const neverRan = new Set(['batch_cancelled', 'batch_expired'])

/** What a batch that has ended says of itself, beside what it left and what the backends have seen (I1, I5, I7, I10, I15, I16). */
export async function checkResults(world: World, client: Client): Promise<void> {
  const { ledger } = world
  const { intent, seen: batch } = client
  if (!batch || !isTerminal(batch.status))
    return ledger.wrong('I11', `client ${intent.number} waits: ${batch?.status ?? 'nothing created'}`)
  const wrong = (invariant: string, how: string) => ledger.wrong(invariant, `batch ${batch.id} (client ${intent.number}): ${how}`)

  if (batch.status === 'failed') {
    if (!intent.invalid && client.meddledAt === null) wrong('I1', `failed: ${JSON.stringify(batch.errors)}`)
    if (batch.outputFileId !== null || batch.errorFileId !== null) wrong('I1', 'it failed at the plan and has files')
    if (!intent.shared && intent.versions.flat().some(({ key }) => ledger.lines.has(key)))
      wrong('I1', 'it failed at the plan and has sent lines')
    return
  }
  if (batch.status === 'expired' && intent.windowMs === null) wrong('I6', 'it expired within its window')
  if (batch.status === 'cancelled' && intent.cancels === null) wrong('I6', 'nobody has cancelled it')
  if (batch.inProgressAt === null) {
    if (batch.outputFileId !== null || batch.errorFileId !== null) wrong('I1', 'it has sent nothing and has files')
    return
  }
  const outputs = await resultsOf(world, batch.outputFileId, wrong)
  const errors = await resultsOf(world, batch.errorFileId, wrong)
  const version = intent.versions.find((lines) => lines.some(({ key }) => key === (outputs[0] ?? errors[0])?.custom_id))
  if (!version) return wrong('I1', 'its results are of no line that it had')
  if (version === intent.versions[1] && !intent.shared && client.meddledAt === null) wrong('I15', 'it has lines of another input')
  checkLines(version, outputs, errors, wrong)
  checkSums(batch, outputs, errors, wrong)
  for (const result of [...outputs, ...errors]) checkAnswer(world, batch, result, wrong)
}

type Wrong = (invariant: string, how: string) => void

async function resultsOf({ database, files, objects, ledger }: World, id: string | null, wrong: Wrong): Promise<Result[]> {
  if (id === null) return []
  const address = `s3://${bucketName}/`
  const [row] = await database.eyes.query(`select blob from files where id = $1`, [id])
  const bytes = id.startsWith(address)
    ? objects.objects.get(`${bucketName}/${id.slice(address.length)}`)?.bytes
    : files.blobs.get(String(row?.blob))?.bytes
  if (!bytes) {
    wrong('I7', `${id} is named and is not there`)
    return []
  }
  if (bytes.equals(foreign)) ledger.wrong('I7', `${id} is somebody else's`)
  if (bytes.length === 0 || bytes.at(-1) !== 10) wrong('I7', `${id} ends within a line`)
  try {
    return bytes
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Result)
  } catch {
    wrong('I7', `${id} has a line that is not JSON`)
    return []
  }
}

/** I1: each line once, in one of the two. */
function checkLines(version: readonly InputLine[], outputs: readonly Result[], errors: readonly Result[], wrong: Wrong): void {
  const counts = new Map<string, number>()
  for (const { custom_id } of [...outputs, ...errors]) counts.set(custom_id, (counts.get(custom_id) ?? 0) + 1)
  for (const { key } of version) {
    const count = counts.get(key) ?? 0
    if (count !== 1) wrong('I1', `line ${key} is in ${count} results`)
    counts.delete(key)
  }
  if (counts.size > 0) wrong('I1', `results of lines that it never had: ${[...counts.keys()].join()}`)
}

/** I5, I16: counts and usage are what the results say, no more and no less. */
function checkSums({ sums, total, status }: Batch, outputs: readonly Result[], errors: readonly Result[], wrong: Wrong): void {
  const never = errors.filter(({ error }) => error && neverRan.has(error.code))
  const failed = errors.length - never.length
  if (sums.completed !== outputs.length) wrong('I5', `completed is ${sums.completed}, ${outputs.length} lines are in the output`)
  if (sums.failed !== failed) wrong('I5', `failed is ${sums.failed}, ${failed} lines are in the error file`)
  if (total !== outputs.length + errors.length) wrong('I1', `${total} lines, ${outputs.length} + ${errors.length} results`)
  if (status === 'completed' && never.length > 0) wrong('I1', `completed, and ${never.length} lines never ran`)
  const of = (count: (usage: NonNullable<ResultBody['usage']>) => number) =>
    outputs.reduce((n, { response }) => n + (response?.body.usage ? count(response.body.usage) : 0), 0)
  const input = of((u) => u.prompt_tokens)
  const output = of((u) => u.completion_tokens)
  if (sums.inputTokens !== input || sums.outputTokens !== output || sums.totalTokens !== input + output)
    wrong('I16', `usage is ${sums.inputTokens} + ${sums.outputTokens}, the results have ${input} + ${output}`)
}

/** A result is what a backend has answered to this line; and what failed for good has had its attempts, by the backend's own doing (I10). */
function checkAnswer({ ledger, dispatch }: World, { status }: Batch, { custom_id, response, error }: Result, wrong: Wrong): void {
  const seen = ledger.line(custom_id)
  if (response) {
    const mark = response.body.mark ?? response.body.error?.message
    if (!seen.answers.some((a) => a.status === response.status_code && a.mark === mark))
      wrong('I1', `line ${custom_id} has an answer that nobody gave: ${JSON.stringify(response)}`)
    if (response.status_code >= 500 && seen.burns < dispatch.attempts)
      wrong('I10', `line ${custom_id} failed with ${response.status_code} after ${seen.burns} attempts`)
  } else if (error && neverRan.has(error.code)) {
    if (error.code !== `batch_${status}`) wrong('I8', `line ${custom_id} is ${error.code}, its batch ${status}`)
  } else if (error?.code === 'invalid_response') {
    if (!seen.answers.some((a) => a.mark === 'garbage')) wrong('I1', `line ${custom_id} is ${error.code}, and no answer was`)
  } else if (seen.burns < dispatch.attempts) wrong('I10', `line ${custom_id} is ${error?.code} after ${seen.burns} attempts`)
}
