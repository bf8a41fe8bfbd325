import { openAtMost, type Cursor } from './result-cursor.ts'
import type { ShardResults, Stretch } from './result-page.ts'

/** Bytes of one shard's results in the two files of its batch. */
export interface ShardSizes {
  readonly output: number
  readonly error: number
}
/** Where one shard's results lie in them. */
export interface Laid {
  readonly output: Omit<Stretch, 'name'>
  readonly error: Omit<Stretch, 'name'>
}

/** `5120,4096+310,...`: the sizes of all shards in their order, as text: what is kept of an ended batch's shards. About six bytes a shard. */
export const formatLayout = (sizes: readonly ShardSizes[]): string =>
  sizes.map(({ output, error }) => (error === 0 ? `${output}` : `${output}+${error}`)).join(',')

/** @throws when it is not of that form: a fault of ours */
export function parseLayout(text: string): ShardSizes[] {
  if (text === '') return []
  return text.split(',').map((one) => {
    const [, output, error = '0'] = /^(\d+)(?:\+(\d+))?$/.exec(one) ?? []
    if (output === undefined) throw new Error(`not the layout of a shard: ${one}`)
    return { output: Number(output), error: Number(error) }
  })
}

/** Shard behind shard, as the files are composed; last, as one shard more, what stands behind all of them: the lines that never ran. */
export function layOut(shards: readonly ShardSizes[], files: ShardSizes): Laid[] {
  const at = { output: 0, error: 0 }
  const laid = shards.map((sizes) => {
    const place = { output: { start: at.output, bytes: sizes.output }, error: { start: at.error, bytes: sizes.error } }
    at.output += sizes.output
    at.error += sizes.error
    return place
  })
  const rest = (kind: keyof ShardSizes) => ({ start: at[kind], bytes: Math.max(0, files[kind] - at[kind]) })
  return [...laid, { output: rest('output'), error: rest('error') }]
}

const isEmpty = ({ output, error }: Laid): boolean => output.bytes === 0 && error.bytes === 0
const nowhere: Laid = { output: { start: 0, bytes: 0 }, error: { start: 0, bytes: 0 } }

/** Of an ended batch: the shards that a reader has open, and the next ones that have anything. */
export function lookAtLaid(laid: readonly Laid[], { next, open }: Cursor): ShardResults[] {
  const numbers = open.map(({ shard }) => shard)
  for (let shard = next; shard < laid.length && numbers.length < openAtMost; shard++)
    if (!isEmpty(laid[shard] ?? nowhere)) numbers.push(shard)
  return numbers.map((shard) => {
    const { output, error } = laid[shard] ?? nowhere
    const span = { fence: 0, number: 0, output: { name: 'output', ...output }, error: { name: 'error', ...error } }
    return { shard, spans: [span], whole: true, final: true }
  })
}

/** Is anything left behind this position? */
export const isLeft = (laid: readonly Laid[], { next, open }: Cursor): boolean =>
  open.length > 0 || laid.some((one, shard) => shard >= next && !isEmpty(one))
