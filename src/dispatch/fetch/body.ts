import { brokenOff, tooLarge } from '../../domain/fetch-error.ts'
import type { Target } from '../../domain/fetch-rules.ts'
import { failureOf, type Answer } from './hop.ts'
import type { Watch } from './watch.ts'

/** The body of an answer, no more than `maxBytes` of it, whatever its head said. It is read as it is wanted, and the watch ends with it. */
export async function* boundedBody({ body }: Answer, target: Target, maxBytes: number, watch: Watch): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]()
  let bytes = 0
  try {
    for (;;) {
      const next = await watch.waitFor(chunks.next())
      if (next.done) return
      bytes += next.value.byteLength
      if (bytes > maxBytes) throw tooLarge(target.origin, maxBytes)
      yield next.value
    }
  } catch (error) {
    throw failureOf(error, target, watch, brokenOff)
  } finally {
    watch.end()
  }
}
