import { isUtf8 } from 'node:buffer'
import { memberAt, memberNames } from '../../domain/json-member.ts'
import { scanJson, type Visitor } from '../../domain/json-scan.ts'
import { noUsage, readAudioUsage, readUsage, type Usage } from '../../domain/usage.ts'

/** The usage that an answer tells; null: it is not UTF-8 JSON. */
export function usageIn(bytes: Buffer): Usage | null {
  if (!isUtf8(bytes)) return null
  scanner.begin(bytes)
  if (scanJson(bytes, 0, bytes.length, scanner) === 'invalid') return null
  return scanner.usage()
}

/** The same for audio, of which the file may have told how long it plays. */
export function audioUsageIn(bytes: Buffer, fileSeconds: number | null): ReturnType<typeof readAudioUsage> | null {
  if (!isUtf8(bytes)) return null
  try {
    return readAudioUsage(JSON.parse(bytes.toString()), fileSeconds)
  } catch {
    return null
  }
}

const top = memberNames(['usage'])
const counts = memberNames(['prompt_tokens', 'completion_tokens', 'total_tokens', 'input_tokens', 'output_tokens'])

const scanner = makeScanner()

/** Finds `usage`, and reads its counts where it is made of counts and nulls alone; any other is parsed. One scanner serves all answers, one after the other. */
function makeScanner(): Visitor & { begin(answer: Buffer): void; usage(): Usage } {
  let bytes: Buffer = Buffer.alloc(0)
  let [start, end] = [0, 0]
  let within = false
  let plain = true
  let at = -1
  const found = new Float64Array(counts.names.length)

  return {
    begin(answer) {
      bytes = answer
      start = end = 0
      within = false
    },
    key(depth, from, to) {
      if (depth === 2) {
        if (within) at = memberAt(counts, bytes, from, to)
        return
      }
      within = memberAt(top, bytes, from, to) === 0
      if (!within) return
      plain = true
      found.fill(0)
    },
    value(depth, from, to) {
      if (!within) return
      if (depth === 1) {
        ;[start, end] = [from, to]
        return
      }
      const count = countAt(bytes, from, to)
      if (at >= 0 && count >= 0) found[at] = count
      else if (at >= 0 || bytes[from] !== 0x6e) plain = false
    },
    usage() {
      if (end === 0) return noUsage
      if (!plain || bytes[start] !== 0x7b) return readUsage({ usage: JSON.parse(bytes.toString('utf8', start, end)) as unknown })
      const [prompt_tokens, completion_tokens, total_tokens, input_tokens, output_tokens] = found
      return readUsage({ usage: { prompt_tokens, completion_tokens, total_tokens, input_tokens, output_tokens } })
    },
  }
}

/** A whole number of at most 15 digits, or -1: it is another value. */
function countAt(bytes: Buffer, from: number, to: number): number {
  if (to - from > 15) return -1
  let count = 0
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return -1
    count = count * 10 + digit
  }
  return count
}
