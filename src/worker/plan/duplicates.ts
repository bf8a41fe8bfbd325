import { splitLines } from '../../kit/lines.ts'
import { shown, type LineChecker } from '../../domain/line.ts'
import { hashOfId, type Hash } from '../../domain/custom-id-hash.ts'
import type { PlanSpec } from './plan-spec.ts'
import type { PlanErrors } from './plan-errors.ts'

/** Ids that may have a twin are kept to be compared, up to so many; a file with more of them is refused whatever the rest is, and then equal hashes are enough. */
const comparedAtMost = 200_000

/** Looks at the file once more: of the lines whose hash came more than once, which have the same custom_id? The error is on the second one. */
export async function findDuplicates({
  open,
  spec,
  checker,
  hash,
  candidates,
  errors,
}: {
  open: () => AsyncIterable<Buffer>
  spec: PlanSpec
  checker: LineChecker
  hash: Hash
  candidates: Float64Array
  errors: PlanErrors
}): Promise<void> {
  const seen = new Map<number, string[]>()
  let compared = 0
  const splitter = splitLines({
    maxLineBytes: spec.maxLineBytes,
    tooLong: () => {},
    line(bytes, start, end, number) {
      const span = checker.customId(bytes, start, end)
      if (!span) return
      const key = hashOfId(hash, bytes, span.start, span.end)
      if (!has(candidates, key)) return
      const id = JSON.parse(bytes.toString('utf8', span.start, span.end)) as string
      const ids = seen.get(key)
      if (ids && (compared >= comparedAtMost || ids.includes(id))) return errors.add(duplicate(id, number))
      if (compared < comparedAtMost) {
        compared++
        if (ids) ids.push(id)
        else seen.set(key, [id])
      } else seen.set(key, [])
    },
  })
  for await (const chunk of open()) splitter.take(chunk)
  splitter.end()
}

const duplicate = (id: string, line: number) => ({
  code: 'duplicate_custom_id',
  message: `The custom_id '${shown(id)}' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.`,
  param: 'custom_id',
  line,
})

function has(sorted: Float64Array, value: number): boolean {
  let low = 0
  for (let high = sorted.length - 1; low <= high;) {
    const middle = (low + high) >> 1
    const found = sorted[middle] ?? 0
    if (found === value) return true
    if (found < value) low = middle + 1
    else high = middle - 1
  }
  return false
}
