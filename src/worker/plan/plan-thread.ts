/** The other side of `planner.ts`: runs in a thread of its own, one plan at a time. */
import { randomBytes } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { BucketDenied } from '../../blobs/bucket.ts'
import { openBlobs, openBucket, rememberBuckets } from '../../blobs/open.ts'
import { planFile, randomHash, readerOf } from './plan.ts'
import type { PlanResult, PlanSpec } from './plan-spec.ts'

/** What comes back. An error crosses as its name, text and what the caller must know of it. */
export type PlanAnswer =
  | { readonly kind: 'result'; readonly result: PlanResult }
  | {
      readonly kind: 'error'
      readonly name: string
      readonly message: string
      readonly right: 'read' | 'write' | null
      readonly stack: string | undefined
    }

parentPort?.on('message', (spec: PlanSpec) => {
  void run(spec).then((answer) => parentPort?.postMessage(answer))
})

const opening = { openBlobs, openBucket: rememberBuckets(openBucket) }

async function run(spec: PlanSpec): Promise<PlanAnswer> {
  try {
    const parts = {
      read: readerOf(spec.input, opening),
      readErrors: spec.retry ? readerOf(spec.retry.errors, opening) : null,
      target: spec.target && openBlobs(spec.target.place),
      hash: randomHash(randomBytes),
    }
    return { kind: 'result', result: await planFile(parts, spec, new AbortController().signal) }
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
    return { kind: 'error', name, message, stack, right: error instanceof BucketDenied ? error.right : null }
  }
}
