import { readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { terminal } from '../conformance/follow.ts'
import type { Batch } from '../conformance/wire.ts'
import type { Chance } from '../support/chance.ts'

/** What can be seen from outside of a server at work: how its batches stand, and the names of the files in its data folder. */
export interface Sight {
  /** How the batches stood when they were last asked for. */
  batches(): readonly Batch[]
  /** Has the backend seen each line? */
  allSent(): boolean
  readonly data: string
}

const filesUnder = (folder: string): string[] => {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
  } catch {
    return [] // NOTE: a directory went away while it was read
  }
}

/** A new file whose path matches has appeared since the wait began. */
function newFile(match: RegExp, also: (sight: Sight) => boolean = () => true) {
  return ({ data }: Sight) => {
    const before = new Set(filesUnder(data).filter((name) => match.test(name)))
    return (sight: Sight) => also(sight) && filesUnder(data).some((name) => match.test(name) && !before.has(name))
  }
}

const soon = (is: (sight: Sight) => boolean) => () => is
const some = (is: (batch: Batch) => boolean) => soon((sight) => sight.batches().some(is))
const aside = /(^|\/)\.tmp\/|(^|\/)\.nightshift/

/** When a server is killed: each of the rows of design 10, "Killed at any point". In the order in which they come in the life of a batch. */
export const moments = {
  'at its create': soon(() => true),
  'while a plan is written': newFile(aside, (sight) => sight.batches().some((batch) => batch.status === 'validating')),
  'between the plan and its rows': newFile(/\/plan-\d+$/),
  'when it has just begun': some((batch) => batch.status === 'in_progress'),
  'while a segment is written': newFile(aside, (sight) => sight.batches().some((batch) => batch.status === 'in_progress')),
  'between a segment and its checkpoint': newFile(/\/\d+-\d+-\d+$/),
  'half way': some(({ request_counts: { total, completed, failed } }) => total > 0 && completed + failed > total / 2),
  'when the last line is sent': soon((sight) => sight.allSent()),
  'while results are written': newFile(aside, (sight) => sight.allSent()),
  'between compose and publish': newFile(/(^|\/)file-[A-Za-z0-9]{24}-\d+$|-output\.jsonl$/, (sight) => sight.allSent()),
  'right after the end': some((batch) => terminal.includes(batch.status)),
} as const satisfies Record<string, (sight: Sight) => (sight: Sight) => boolean>

export type Moment = keyof typeof moments
/** They are seen by blobs in the scratch: where plans and results lie in rows they hardly come. */
export const needBlobs: ReadonlySet<Moment> = new Set([
  'while a plan is written',
  'between the plan and its rows',
  'while a segment is written',
  'between a segment and its checkpoint',
])
export const allMoments = Object.keys(moments) as readonly Moment[]

/** So many moments, in their order, and `first` among them. */
export function chooseMoments(random: Chance, first: Moment, n: number): Moment[] {
  const chosen = new Set<Moment>([first])
  while (chosen.size < n) chosen.add(random.pick(allMoments as [Moment, ...Moment[]]))
  return allMoments.filter((moment) => chosen.has(moment))
}

/** Resolves with true when the moment has come, or with false when `over` says that it will not come any more. */
export async function comes(moment: Moment, sight: Sight, over: () => boolean): Promise<boolean> {
  const is = moments[moment](sight)
  for (;;) {
    if (is(sight)) return true
    if (over()) return false
    await pause(1)
  }
}
