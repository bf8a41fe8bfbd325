import { isTerminal, type Batch } from '../../src/domain/batch.ts'
import type { BatchId, FileId } from '../../src/domain/ids.ts'
import { outputKeys } from '../../src/domain/output-names.ts'
import { checkProgress } from './check-progress.ts'
import { inputOf, type Intent } from './intent.ts'
import type { SimApi } from './sim-api.ts'
import type { World } from './world-parts.ts'

/** Somebody who wants a batch, and asks until it has ended. */
export interface Client {
  readonly intent: Intent
  /** The batch as it was last seen. */
  readonly seen: Batch | null
  /** When something was done to the input, as far as it was. */
  readonly meddledAt: number | null
  /** The batch has ended, and so has everything that the client does beside. */
  readonly over: boolean
}

export const bucketFolder = '/buckets/b'
export const bucketName = 'b'
const callTimeoutMs = 20_000
export const foreign = Buffer.from('not from here\n')

export function startClient(world: World, intent: Intent, api: () => SimApi): Client {
  const { time, story, objects, ledger, profile } = world
  const chance = world.chance.fork(`client ${intent.number}`)
  const who = `c${intent.number}`
  const model = intent.shared ? 'm' : chance.pick(['m', 'n'])
  let seen: Batch | null = null
  let meddledAt: number | null = null
  let over = false

  /** One call, of which the client hears nothing if the API dies at it. */
  function call<T>(work: (api: SimApi) => Promise<T>): Promise<T> {
    const at = api()
    return new Promise((resolve, reject) => {
      at.life.onCrash(() => reject(new Error('connection reset')))
      time.at(time.now + callTimeoutMs, () => reject(new Error('time-out')))
      work(at).then(resolve, reject)
    })
  }

  /** Again and again, until it has an answer. */
  async function insist<T>(what: string, work: (api: SimApi, tries: number) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await call((at) => work(at, tries))
      } catch (error) {
        story.tell(who, 'has no answer to', what, error)
        await time.sleep(chance.between(100, 1500))
      }
    }
  }

  async function create(input: string): Promise<BatchId> {
    const idempotencyKey = intent.byKey ? `create ${intent.number}` : null
    return insist('create', async (at, retries) => {
      const lost = chance.happens(profile().lost)
      const id = await at.create(intent.project, input, intent.number, { idempotencyKey, retries }, () => !lost)
      if (lost) throw new Error('answer lost')
      return id
    })
  }

  async function cancel(id: BatchId, when: NonNullable<Intent['cancels']>): Promise<void> {
    if (typeof when === 'number') await time.sleep(when)
    else await ledger.until(when === 'composing' ? `composing ${id}` : when)
    story.tell(who, 'CANCELS', id)
    await insist('cancel', (at) => at.cancel(intent.project, id))
  }

  async function meddle({ how, afterMs }: NonNullable<Intent['meddles']>): Promise<void> {
    await time.sleep(afterMs)
    meddledAt = time.now
    const { object, versions } = intent
    story.tell(who, how, object)
    if (how === 'changes') objects.write(`${bucketName}/${object}`, inputOf(versions[1], false, model))
    else if (how === 'deletes') objects.objects.delete(`${bucketName}/${object}`)
    else {
      const key = `${bucketName}/${outputKeys(object, world.workers.suffixes).output}`
      if (!objects.objects.has(key)) objects.write(key, foreign)
    }
  }

  async function deleteInput(id: FileId): Promise<void> {
    await time.sleep(chance.between(0, 5000))
    meddledAt = time.now
    story.tell(who, 'deletes', id)
    await insist('delete', (at) => at.deleteFile(intent.project, id))
  }

  async function follow(id: BatchId): Promise<void> {
    for (;;) {
      const now = await insist('get', (at) => at.get(intent.project, id))
      if (!now) return ledger.wrong('I6', `batch ${id} is gone`)
      if (seen) checkProgress(seen, now, ledger)
      if (now.status !== seen?.status) story.tell(who, 'sees', now.status)
      seen = now
      if (isTerminal(now.status)) return
      await time.sleep(chance.between(100, 1000))
    }
  }

  async function live(): Promise<void> {
    await time.sleep(intent.beginsAt)
    const bytes = inputOf(intent.versions[0], intent.invalid, model)
    const beside: Promise<void>[] = []
    let input = `s3://${bucketName}/${intent.object}`
    if (intent.source === 'file') {
      const file = await insist('upload', (at) => at.upload(intent.project, bytes))
      input = file
      if (intent.deletesFile) beside.push(deleteInput(file))
    } else if (!objects.objects.has(`${bucketName}/${intent.object}`)) objects.write(`${bucketName}/${intent.object}`, bytes)
    if (intent.meddles) beside.push(meddle(intent.meddles))
    story.tell(who, 'creates a batch of', intent.versions[0].length, 'lines,', intent.source)
    const id = await create(input)
    if (ledger.batchOf.get(intent.number) !== id)
      ledger.wrong('D8', `client ${intent.number} is told ${id}, its batch is another`)
    if (typeof intent.cancels === 'number') beside.push(cancel(id, intent.cancels))
    else if (intent.cancels !== null) void cancel(id, intent.cancels) // NOTE: it may never come to that
    await Promise.all([follow(id), ...beside])
    over = true
  }

  void live()
  return {
    intent,
    get seen() {
      return seen
    },
    get meddledAt() {
      return meddledAt
    },
    get over() {
      return over
    },
  }
}
