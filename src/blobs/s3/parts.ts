/** How bytes are cut into the parts of an upload. Some servers take 1,000 parts at most, each but the last of at least 5 MiB. */
import type { BlobRange } from '../blobs.ts'

const MiB = 1024 * 1024
export const partsAtMost = 1000
export const leastPartBytes = 5 * MiB
export const usualPartBytes = 8 * MiB
/** What the parts that are sent at once may take of the memory. */
const flyingBytes = 32 * MiB
/** Spare parts, for those that come out smaller than they might be. */
const partsPlanned = 900

export const partBytesFor = (bytes: number): number => Math.max(usualPartBytes, Math.ceil(bytes / partsPlanned))

/** Size of a part, counted from 1. Where the size of the whole is not known, each hundred are bigger than those before: 20 GB take 640 of them, and 1,000 hold 46 GB. */
export function partBytes(number: number, whole?: number): number {
  if (number > partsAtMost) throw new Error(`more than ${partsAtMost} parts would be needed`)
  return whole === undefined ? usualPartBytes * Math.ceil(number / 100) : partBytesFor(whole)
}

/** How many parts of a size may be on their way at once. */
export const partsAtOnce = (bytes: number): number => Math.max(1, Math.min(4, Math.floor(flyingBytes / bytes)))

/** A part of a composed blob: copied by the server from one blob, or read and sent. */
export type Step =
  { readonly kind: 'copy'; readonly range: BlobRange } | { readonly kind: 'send'; readonly ranges: readonly BlobRange[] }

/** Every part but the last has at least `least` bytes, so that there are not too many; a stretch too short for that is sent together with its neighbours. */
export function composeSteps(ranges: readonly BlobRange[]): Step[] {
  const whole = ranges.reduce((sum, { bytes }) => sum + bytes, 0)
  const least = Math.max(leastPartBytes, Math.ceil(whole / partsPlanned))
  const most = partBytesFor(whole)
  const steps: Step[] = []
  let gathered: BlobRange[] = []
  let gatheredBytes = 0
  const send = () => {
    if (gathered.length > 0) steps.push({ kind: 'send', ranges: gathered })
    gathered = []
    gatheredBytes = 0
  }
  for (const { name, start, bytes } of ranges)
    for (let at = 0; at < bytes;) {
      const left = bytes - at
      const enough = gatheredBytes === 0 || gatheredBytes >= least
      if (enough && left >= least) {
        send()
        const some = Math.min(left, copiedAtMost)
        steps.push({ kind: 'copy', range: { name, start: start + at, bytes: some } })
        at += some
        continue
      }
      const some = Math.min(left, left >= least ? least - gatheredBytes : most - gatheredBytes)
      gathered.push({ name, start: start + at, bytes: some })
      gatheredBytes += some
      at += some
      if (gatheredBytes >= most) send()
    }
  send()
  return steps
}

const copiedAtMost = 1024 * MiB
