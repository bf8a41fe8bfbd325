import { splitLines } from '../../kit/lines.ts'
import { inputError } from '../../domain/batch.ts'
import { hashOfId, type Hash } from '../../domain/custom-id-hash.ts'
import { beginningOf } from '../../domain/result.ts'
import { isChosen, makePicks, type Picks } from '../../domain/retried.ts'
import type { PlanErrors } from './plan-errors.ts'
import type { PlanRetry } from './plan-spec.ts'

const aboveEveryLine = 2 ** 31

/** Streams an error file once: which lines of the input are run again. A bit a line of the input, however many failed. */
export async function pickFailed(
  source: AsyncIterable<Buffer>,
  { prefix, only }: PlanRetry,
  hash: Hash,
  errors: PlanErrors,
): Promise<Picks> {
  const picks = makePicks()
  const splitter = splitLines({
    maxLineBytes: aboveEveryLine,
    tooLong: () => {},
    line(bytes, start, end) {
      const found = beginningOf(prefix, bytes, start, end)
      if (!found) {
        if (!errors.any) errors.add(otherErrors)
      } else if (isChosen(only, found)) picks.add(found.line, hashOfId(hash, bytes, found.customIdStart, found.customIdEnd))
    },
  })
  for await (const chunk of source) {
    splitter.take(chunk)
    if (errors.any) return picks
  }
  splitter.end()
  if (picks.count === 0 && !errors.any) errors.add(nothingChosen)
  return picks
}

const otherErrors = inputError(
  'error_file_modified',
  'The error file of the batch that is to be retried has other lines than were written to it.',
)
const nothingChosen = inputError('nothing_to_retry', 'No line of the error file has one of these codes or statuses.')
export const otherLines = inputError(
  'input_modified',
  'The input has other lines than when the batch ran that is to be retried. Create a batch from the lines that you want to run.',
)
