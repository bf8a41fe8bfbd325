import type { ServerResponse, IncomingMessage } from 'node:http'
import type { Clock } from '../kit/clock.ts'

/** What is watched of a connection: bytes so far, and whether it is the other side that is waited for. */
interface Watched {
  bytes(): number
  waits(): boolean
  end(): void
}

/** Ends a connection on which the other side has not moved a byte for so long. Time in which we are not ready for it (a disk that is slow) does not count. */
function endStalled({ bytes, waits, end }: Watched, clock: Clock, idleMs: number): () => void {
  let seen = bytes()
  let since = clock.monotonic()
  const watch = setInterval(() => {
    const now = clock.monotonic()
    if (bytes() !== seen || !waits()) {
      seen = bytes()
      since = now
    } else if (now - since >= idleMs) end()
  }, idleMs / 8).unref()
  return () => clearInterval(watch)
}

/** Watches until the body has come. */
export function endStalledUpload(raw: IncomingMessage, clock: Clock, idleMs: number): void {
  const ended = endStalled(
    { bytes: () => raw.socket.bytesRead, waits: () => !raw.isPaused(), end: () => raw.destroy() },
    clock,
    idleMs,
  )
  raw.once('end', ended).once('close', ended)
}

/** Watches until the answer is over. */
export function endStalledDownload(raw: ServerResponse, clock: Clock, idleMs: number): void {
  const { socket } = raw
  if (!socket) return
  const ended = endStalled(
    { bytes: () => socket.bytesWritten, waits: () => raw.writableNeedDrain, end: () => socket.destroy() },
    clock,
    idleMs,
  )
  raw.once('close', ended)
}
