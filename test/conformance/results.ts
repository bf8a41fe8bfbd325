import { expect } from 'vitest'
import { getContent, type Batch, type Door } from './wire.ts'

export interface Result {
  readonly id: string
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly request_id: string; readonly body: Record<string, unknown> } | null
  readonly error: { readonly code: string; readonly message: string } | null
  /** The line as it stands in the file. */
  readonly raw: string
}

export interface Results {
  readonly output: readonly Result[]
  readonly errors: readonly Result[]
}

/** Parses a result file. Whole lines only, each with its four keys. */
export function parseResults(text: string): Result[] {
  if (text === '') return []
  expect(text.endsWith('\n'), 'the last line ends with a newline').toBe(true)
  return text
    .slice(0, -1)
    .split('\n')
    .map((raw) => {
      const line = JSON.parse(raw) as Omit<Result, 'raw'>
      expect(Object.keys(line), raw).toEqual(['id', 'custom_id', 'response', 'error'])
      return { ...line, raw }
    })
}

const two = (status: number) => status >= 200 && status < 300

/**
 * Reads both files of an ended batch and checks what must hold of them (D15, 5.2, I1, I5): each input line in exactly one place, once; only 2xx in the output; counts and
 * usage are those of the results.
 */
export async function readResults(door: Door, batch: Batch, customIds: readonly string[]): Promise<Results> {
  const read = async (id: string | null) => (id === null ? [] : parseResults(await getContent(door, id)))
  const results = { output: await read(batch.output_file_id), errors: await read(batch.error_file_id) }
  expectAccounted(batch, results, customIds)
  return results
}

export function expectAccounted(batch: Batch, { output, errors }: Results, customIds: readonly string[]): void {
  const all = [...output, ...errors]
  expect(all.map((line) => line.custom_id).toSorted()).toEqual([...customIds].toSorted())
  expect(new Set(all.map((line) => line.id)).size, 'ids are unique').toBe(all.length)
  expect(batch.output_file_id === null, 'no output file without a line in it').toBe(output.length === 0)
  expect(batch.error_file_id === null, 'no error file without a line in it').toBe(errors.length === 0)
  for (const { response, error, raw } of output) expect(response && two(response.status_code) && error === null, raw).toBe(true)
  for (const { response, error, raw } of errors)
    expect(
      response
        ? !two(response.status_code) && error === null
        : typeof error?.code === 'string' && typeof error.message === 'string',
      raw,
    ).toBe(true)
  const ran = errors.filter(({ error }) => error?.code !== 'batch_cancelled' && error?.code !== 'batch_expired')
  expect(batch.request_counts).toEqual({ total: customIds.length, completed: output.length, failed: ran.length })
  expect(batch.usage).toMatchObject(usageOf(all))
}

/** The sums of `usage` over the bodies, in whichever form each endpoint has it. */
export function usageOf(lines: readonly Result[]): { input_tokens: number; output_tokens: number; total_tokens: number } {
  const sums = { input_tokens: 0, output_tokens: 0, total_tokens: 0 }
  for (const { response } of lines) {
    const usage = (response?.body.usage ?? {}) as Record<string, number | undefined>
    sums.input_tokens += usage.input_tokens ?? usage.prompt_tokens ?? 0
    sums.output_tokens += usage.output_tokens ?? usage.completion_tokens ?? 0
    sums.total_tokens += usage.total_tokens ?? 0
  }
  return sums
}
