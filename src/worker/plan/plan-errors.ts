import type { PlanError } from '../../domain/batch.ts'

const listedAtMost = 100

/** The errors of a plan, in line order: up to 100 are listed, the last one says how many more there are (D21). */
export interface PlanErrors {
  readonly any: boolean
  add(error: PlanError): void
  list(): PlanError[]
}

export function collectErrors(): PlanErrors {
  const listed: PlanError[] = []
  let more = 0
  const byLine = (a: PlanError, b: PlanError) => (a.line ?? 0) - (b.line ?? 0)
  return {
    get any() {
      return listed.length > 0
    },
    add(error) {
      listed.push(error)
      if (listed.length <= listedAtMost * 2) return
      listed.sort(byLine) // NOTE: duplicates are found after everything else, on lines before
      more += listed.length - listedAtMost
      listed.length = listedAtMost
    },
    list() {
      const sorted = listed.toSorted(byLine)
      const unlisted = more + Math.max(0, sorted.length - listedAtMost)
      const shown = sorted.slice(0, listedAtMost)
      const last = shown.at(-1)
      if (last && unlisted > 0)
        shown[shown.length - 1] = {
          ...last,
          message: `${last.message} (${unlisted} more ${unlisted === 1 ? 'error is' : 'errors are'} not listed.)`,
        }
      return shown
    },
  }
}
