import type { ProjectId } from '../../src/domain/ids.ts'
import type { Chance } from '../support/chance.ts'
import type { Profile } from './profile.ts'

/** A line of an input: its name, which is its custom_id and stands in its body, and what it does to a backend. */
export interface InputLine {
  readonly key: string
  readonly kind: 'plain' | 'bad' | 'slow' | 'kills'
}

/** What one client has in mind. Times are milliseconds of the world. */
export interface Intent {
  readonly number: number
  readonly project: ProjectId
  readonly source: 'file' | 'object'
  /** The key of the object. Those of which this is true have one together, with the same lines. */
  readonly object: string
  readonly shared: boolean
  /** What the input has in it, and what a meddler puts in its place. */
  readonly versions: readonly [readonly InputLine[], readonly InputLine[]]
  /** One line of the input is not JSON: it must be refused. */
  readonly invalid: boolean
  readonly beginsAt: number
  /** After so long, or as soon as it comes to that. */
  readonly cancels: number | 'composing' | 'cut off' | null
  readonly windowMs: number | null
  /** What happens to the input while the batch is there, or to the name of its output. */
  readonly meddles: { readonly how: 'changes' | 'deletes' | 'takes the name'; readonly afterMs: number } | null
  readonly deletesFile: boolean
  readonly byKey: boolean
}

export function drawIntents(chance: Chance, { lines, clients, everyMs }: Profile): Intent[] {
  const count = chance.between(1, 5)
  const spread = chance.pick([50, 1000, 5000])
  const linesOf = (whose: number | string, version: number): InputLine[] => {
    const most = chance.pick([2, 12, 40, 80])
    return Array.from({ length: chance.between(1, most) }, (_, i) => ({
      key: `${whose}.${version}.${i}`,
      kind: chance.happens(lines.kills)
        ? 'kills'
        : chance.happens(lines.bad)
          ? 'bad'
          : chance.happens(lines.slow)
            ? 'slow'
            : 'plain',
    }))
  }
  const together = linesOf('shared', 1)
  return Array.from({ length: count }, (_, number) => {
    const source = chance.pick(['file', 'object'] as const)
    const shared = source === 'object' && chance.happens(0.3)
    const meddles = source === 'object' && !shared && chance.happens(clients.meddles)
    const versions = [linesOf(number, 1), linesOf(number, 2)] as const
    return {
      number,
      project: chance.pick(['p1', 'p2', 'p3']) as ProjectId,
      source,
      object: shared ? 'dir/shared.jsonl' : `${number}.jsonl`,
      shared,
      versions: shared ? [together, together] : versions,
      invalid: !shared && chance.happens(0.05),
      beginsAt: chance.between(0, spread),
      cancels: chance.happens(clients.cancelsInTime)
        ? 'composing'
        : everyMs.cutOff < Infinity && chance.happens(0.3)
          ? 'cut off'
          : chance.happens(clients.cancels)
            ? chance.between(0, 12_000) * chance.next()
            : null,
      windowMs: chance.happens(clients.shortWindows) ? chance.between(500, 15_000) : null,
      meddles: meddles
        ? {
            how: chance.pick(['changes', 'deletes', 'takes the name'] as const),
            afterMs: chance.between(0, 6000) * chance.next(),
          }
        : null,
      deletesFile: source === 'file' && chance.happens(clients.deletes),
      byKey: chance.happens(0.5),
    }
  })
}

/** The bytes of an input. */
export function inputOf(lines: readonly InputLine[], invalid: boolean, model: string): Buffer {
  const texts = lines.map(({ key, kind }) =>
    JSON.stringify({
      custom_id: key,
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model, messages: [{ role: 'user', content: `<<${key} ${kind}>>` }] },
    }),
  )
  if (invalid) texts.push('{"custom_id":')
  return Buffer.from(`${texts.join('\n')}\n`)
}
