/**
 * The plan's blob: the lines of a batch as the executor wants them, one after the other, nothing between. A line is
 *   u32 length of what follows · u32 line number in the input (1-based) · u16 length of custom_id · custom_id as its raw JSON string (with quotes) · body bytes
 * all little-endian. A shard is a range of whole lines.
 */
export interface PlannedLine {
  readonly number: number
  /** The raw JSON string, quotes included, as the user wrote it. */
  readonly customId: Buffer
  /** What the user wrote after `"body":`. */
  readonly body: Buffer
}

export const planHeaderBytes = 10

export const plannedBytes = (customIdBytes: number, bodyBytes: number): number => planHeaderBytes + customIdBytes + bodyBytes

/** Writes the header of a line at `at`; the caller copies custom_id and body behind it. */
export function writePlanHeader(target: Buffer, at: number, number: number, customIdBytes: number, bodyBytes: number): void {
  target.writeUInt32LE(6 + customIdBytes + bodyBytes, at)
  target.writeUInt32LE(number, at + 4)
  target.writeUInt16LE(customIdBytes, at + 8)
}

/** Reads the line at `at`, as views into `source`; null if it is not wholly there. `next` is where the one after it begins. */
export function readPlanned(source: Buffer, at: number): { line: PlannedLine; next: number } | null {
  if (at + planHeaderBytes > source.length) return null
  const next = at + 4 + source.readUInt32LE(at)
  if (next > source.length) return null
  const idEnd = at + planHeaderBytes + source.readUInt16LE(at + 8)
  return {
    line: {
      number: source.readUInt32LE(at + 4),
      customId: source.subarray(at + planHeaderBytes, idEnd),
      body: source.subarray(idEnd, next),
    },
    next,
  }
}
