/** A day in UTC, as days since 1970. */
export type Day = number

export const dayMs = 86_400_000

export const dayOf = (ms: number): Day => Math.floor(ms / dayMs)
export const startOfDay = (day: Day): number => day * dayMs
/** `2026-11-27`. */
export const dateOf = (day: Day): string => new Date(day * dayMs).toISOString().slice(0, 10)

/** null: not a date of the form `2026-11-27`. */
export function parseDate(text: string): Day | null {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return null
  const ms = Date.parse(`${text}T00:00:00Z`)
  return Number.isNaN(ms) || dateOf(dayOf(ms)) !== text ? null : dayOf(ms)
}

/** The day of a time, and the first one of its month. */
export function monthOf(ms: number): { readonly today: Day; readonly monthBegan: Day } {
  const date = new Date(ms)
  return { today: dayOf(ms), monthBegan: dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)) }
}
