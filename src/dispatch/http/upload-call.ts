import { FetchError } from '../../domain/fetch-error.ts'
import type { Outcome } from '../../domain/outcome.ts'
import { codeOf, OurTrouble, unfetched } from './failure.ts'
import type { Call } from './slot.ts'
import type { OpenUpload, Upload } from './upload.ts'

export interface UploadCallParts {
  /** Sends it over a connection of its own. `told` is called once, unless the call is aborted. */
  send(opened: OpenUpload, told: (outcome: Outcome) => void): Call
  /** Never called before `sendUpload` has returned, nor after an abort. */
  ended(outcome: Outcome): void
}

/** One attempt: what is to be sent is opened, sent, and closed whatever comes of it. */
export function sendUpload(upload: Upload, { send, ended }: UploadCallParts): Call {
  const closing = new AbortController()
  let call: Call | undefined

  function end(outcome: Outcome): void {
    if (closing.signal.aborted) return
    closing.abort(new Error('the call is over'))
    ended(outcome)
  }

  async function run(): Promise<void> {
    try {
      const opened = await upload.open(closing.signal)
      if (closing.signal.aborted) return
      call = send({ ...opened, bytes: tellingOurs(opened.bytes) }, (outcome) =>
        end(outcome.kind === 'answered' ? opened.read(outcome) : outcome),
      )
    } catch (error) {
      end(error instanceof FetchError ? unfetched(error) : { kind: 'ours', of: 'content', message: whatFailed(error) })
    }
  }
  void run()

  return {
    abort() {
      closing.abort(new Error('the call was aborted'))
      call?.abort()
    },
  }
}

/** In the midst of a call what fails here would be taken for the backend's: it is said whose it is. */
async function* tellingOurs(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes
  } catch (error) {
    throw error instanceof FetchError ? error : new OurTrouble(whatFailed(error), { cause: error })
  }
}

const whatFailed = (error: unknown): string => codeOf(error) || 'what it names could not be opened'
