import type { Feed, Sendable } from '../../src/dispatch/feed.ts'
import type { Ending } from '../../src/domain/outcome.ts'

export interface ScriptedFeed extends Feed {
  /** Bodies of the lines that are not taken yet. */
  readonly left: string[]
  /** By body: how the line ended. A line that ends twice throws. */
  readonly ends: Map<string, Ending | 'stopped'>
  readonly taken: Set<string>
  /** Resolves when so many lines have come to their end. */
  ended(count: number): Promise<void>
  stop: AbortController
  atRisk: boolean
}

let feeds = 0

/** A batch of lines whose bodies are their names. */
export function scriptedFeed(names: readonly string[], more: Partial<Omit<Feed, 'take'>> = {}): ScriptedFeed {
  const waiting: { count: number; resolve: () => void }[] = []
  const bodies = new Map<Sendable, string>()
  const left = [...names]
  function end(line: Sendable, ending: Ending | 'stopped'): void {
    const name = bodies.get(line)
    if (name === undefined) throw new Error('a line ended that was not taken, or twice')
    bodies.delete(line)
    feed.ends.set(name, ending)
    for (const { count, resolve } of waiting) if (feed.ends.size >= count) resolve()
  }
  const feed: ScriptedFeed = {
    projectId: 'p',
    batchId: `b${String(feeds++).padStart(6, '0')}`,
    model: 'm',
    endpoint: '/v1/chat/completions',
    deadlineAt: Infinity,
    lines: names.length,
    weight: 1,
    atRisk: false,
    tokensALine: 1,
    left,
    ends: new Map(),
    taken: new Set(),
    stop: new AbortController(),
    take() {
      const name = left.shift()
      if (name === undefined) return undefined
      const line = { body: Buffer.from(name), signal: feed.stop.signal }
      bodies.set(line, name)
      feed.taken.add(name)
      return line
    },
    maySend: () => true,
    settle: end,
    stopped: (line) => end(line, 'stopped'),
    ended: (count) => new Promise((resolve) => (feed.ends.size >= count ? resolve() : waiting.push({ count, resolve }))),
    ...more,
  }
  return feed
}

export const named = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`)
export const statusOf = (ending: Ending | 'stopped' | undefined) =>
  ending === undefined || ending === 'stopped' ? ending : ending.kind === 'answered' ? ending.status : ending.code
