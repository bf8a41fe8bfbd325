/** The beginning of a stream, and the whole of it to be read from there. */
export interface Ahead {
  /** At least so many bytes as were asked for, unless there are fewer. */
  readonly head: Buffer
  /** Bytes, if the stream has ended already; else null. */
  readonly whole: number | null
  /** From the first byte on. To be read once. */
  readonly chunks: AsyncIterable<Uint8Array>
}

/** Of a stream at least one byte is asked for. It closes when it was read, or the signal aborts, whether or not anybody began with it. */
export async function readAhead(bytes: AsyncIterable<Uint8Array>, least: number, signal: AbortSignal): Promise<Ahead> {
  const rest = bytes[Symbol.asyncIterator]()
  signal.addEventListener('abort', () => void rest.return?.().catch(() => {}), { once: true })
  const held: Uint8Array[] = []
  let heldBytes = 0
  let ended = false
  while (heldBytes < least && !ended) {
    const next = await rest.next()
    if (next.done) ended = true
    else {
      held.push(next.value)
      heldBytes += next.value.length
    }
  }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let chunk = held.shift(); chunk; chunk = held.shift()) yield chunk
      for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
    } finally {
      await rest.return?.()
    }
  }
  return { head: Buffer.concat(held), whole: ended ? heldBytes : null, chunks: chunks() }
}
