import { hashOf } from '../support/chance.ts'

/** What happened in a world, in order; put into words only if somebody asks. */
export interface Story {
  tell(who: string, ...what: readonly unknown[]): void
  readonly length: number
  /** One line an event. */
  lines(): string[]
  /** Two worlds with the same number have the same story. */
  hash(): number
}

export function makeStory(now: () => number): Story {
  const events: (readonly [number, string, readonly unknown[]])[] = []
  const lineOf = ([at, who, what]: (typeof events)[number]) =>
    `${(at / 1000).toFixed(3).padStart(9)} ${who.padEnd(6)} ${what.map(wordOf).join(' ')}`
  return {
    tell(who, ...what) {
      events.push([now(), who, what])
    },
    get length() {
      return events.length
    },
    lines: () => events.map(lineOf),
    hash: () => events.reduce((hash, event) => hashOf(lineOf(event), hash), 1),
  }
}

function wordOf(what: unknown): string {
  if (typeof what === 'string' || typeof what === 'number') return String(what)
  if (what instanceof Error) return `(${what.name}: ${what.message})`
  return JSON.stringify(what, (_, value: unknown) => (value instanceof Error ? `${value.name}: ${value.message}` : value)).slice(
    0,
    300,
  )
}
