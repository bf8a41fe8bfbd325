import type { ServerResponse, IncomingMessage } from 'node:http'
import type { Clock } from '../kit/clock.ts'

/** What is watched of a connection: bytes so far, and whether it is the other side that is waited for. */
interface Watched {
  bytes(): number
  /** Fewer than that in the time are none. */
  readonly least: number
  waits(): boolean
  end(): void
}

/** Ends a connection on which the other side has moved as good as nothing for so long. Time in which we are not ready for it (a disk that is slow) does not count. */
function endStalled({ bytes, least, waits, end }: Watched, clock: Clock, idleMs: number): () => void {
  let seen = bytes()
  let since = clock.monotonic()
  const watch = setInterval(() => {
    const now = clock.monotonic()
    if (bytes() - seen >= least || !waits()) {
      seen = bytes()
      since = now
    } else if (now - since >= idleMs) end()
  }, idleMs / 8).unref()
  return () => clearInterval(watch)
}

/** Watches until the body has come. */
export function endStalledUpload(raw: IncomingMessage, clock: Clock, idleMs: number): void {
  const ended = endStalled(
    { bytes: () => raw.socket.bytesRead, least: 1024, waits: () => !raw.isPaused(), end: () => raw.destroy() },
    clock,
    idleMs,
  )
  raw.once('end', ended).once('close', ended)
}

/** What is no upload is short, and there within the time for which an upload may stand still. */
export function endLateBody(raw: IncomingMessage, idleMs: number): void {
  const timer = setTimeout(() => raw.destroy(), idleMs).unref()
  const ended = () => clearTimeout(timer)
  raw.once('end', ended).once('close', ended)
}

const unheard = { ms: 5000, least: 64 * 1024 }

/** Who has the answer and goes on sending reads it perhaps at the end alone: they may send on, but not byte by byte, since it may be nobody with a key. */
export function endUnheard(raw: IncomingMessage, clock: Clock): void {
  if (raw.complete) return
  const watched = { bytes: () => raw.socket.bytesRead, least: unheard.least, waits: () => true, end: () => raw.destroy() }
  const ended = endStalled(watched, clock, unheard.ms)
  raw.once('end', ended).once('close', ended)
}

/** Watches until the answer is over. */
export function endStalledDownload(raw: ServerResponse, clock: Clock, idleMs: number): void {
  const { socket } = raw
  if (!socket) return
  const ended = endStalled(
    { bytes: () => socket.bytesWritten, least: 1, waits: () => raw.writableNeedDrain, end: () => socket.destroy() },
    clock,
    idleMs,
  )
  raw.once('close', ended)
}
