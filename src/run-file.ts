/** One file through the backends without a server: the same engine, with its state in a hidden folder beside the file, which goes when the file is done. */
import { randomBytes } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { openEngine, runEngine, type Engine, type Outside } from './engine.ts'
import { prepareProjects } from './auth/first-start.ts'
import type { Settings } from './config.ts'
import type { Batch } from './domain/batch.ts'
import { isTerminal } from './domain/batch.ts'
import type { BatchId, KeyId } from './domain/ids.ts'
import { putGrant } from './store/buckets.ts'
import { FolderInUse, FolderUnusable, holdFolder } from './store/lock.ts'
import { insertBatch, listBatches, loadBatch } from './store/batches.ts'

const bucket = 'here'
const lookMs = 200
/** Long enough for any file, and still an end. */
const windowMs = 365 * 86_400_000

export class InputChanged extends Error {
  override name = 'InputChanged'
}

export interface RunOptions {
  readonly endpoint: string
  /** Forgets what an earlier run of this file has done. */
  readonly restart: boolean
  onProgress(batch: Batch): void
}

export interface RunResult {
  readonly batch: Batch
  readonly output: string | null
  readonly error: string | null
}

/**
 * Stopped or killed, the same call goes on where it was. @throws {InputChanged} when the file is another than the one that was begun; {FolderInUse} when it
 * is being run already; the signal's reason when it was stopped
 */
export async function runFile(
  settings: Settings,
  path: string,
  options: RunOptions,
  signal: AbortSignal,
  outside: Partial<Outside> = {},
): Promise<RunResult> {
  const file = resolve(path)
  const state = join(dirname(file), `.${basename(file)}.nightshift`)
  const engine = await openState(file, state, options.restart, { ...settings, data: state, database: '', blobs: '' }, outside)
  let over = false
  try {
    const id = await findOrCreate(engine, file, state, options.endpoint)
    const ended = await runToEnd(engine, id, options, signal)
    if (!ended) throw signal.reason
    over = true
    const pathOf = (address: string | null) => address && join(dirname(file), address.slice(`s3://${bucket}/`.length))
    return { batch: ended, output: pathOf(ended.outputFileId), error: pathOf(ended.errorFileId) }
  } finally {
    await engine[Symbol.asyncDispose]()
    if (over) await rm(state, { recursive: true, force: true })
  }
}

/** Works while it follows, and no longer, however the following ends. */
async function runToEnd(engine: Engine, id: BatchId, options: RunOptions, signal: AbortSignal): Promise<Batch | null> {
  const stopping = new AbortController()
  const running = runEngine(engine, AbortSignal.any([signal, stopping.signal]))
  try {
    return await follow(engine, id, options, signal)
  } finally {
    stopping.abort()
    await running
  }
}

/** The state is forgotten by whoever holds it: what another run is working on stays. */
async function openState(
  file: string,
  state: string,
  restart: boolean,
  settings: Settings,
  outside: Partial<Outside>,
): Promise<Engine> {
  try {
    if (restart) {
      await using _ = await holdFolder(state)
      await rm(state, { recursive: true, force: true })
    }
    return await openEngine(settings, outside)
  } catch (error) {
    if (error instanceof FolderInUse)
      throw new FolderInUse(`${file} is being run already. Wait for that run, or stop it first.`, { cause: error })
    if (error instanceof FolderUnusable)
      throw new FolderUnusable(
        `A run keeps its state and its results beside its file, and ${dirname(file)} cannot be written. Copy the file to a folder that can be.`,
        { cause: error },
      )
    throw error
  }
}

async function findOrCreate({ db, parts, newUuid }: Engine, file: string, state: string, endpoint: string): Promise<BatchId> {
  const { clock } = parts
  const { projectId } = await prepareProjects({ db, clock, newUuid, randomBytes }, { data: state, database: '', buckets: [] }, '')
  await putGrant(db, { projectId, bucket, place: { kind: 'folder', folder: dirname(file) } }, 'own')
  const mark = join(state, 'input.json')
  const seen = await stat(file)
  const now = JSON.stringify({ bytes: seen.size, changedAt: seen.mtimeMs, endpoint })
  const [begun] = await listBatches(db, projectId, null, 1)
  const before = begun ? await readFile(mark, 'utf8').catch(() => null) : null
  if (begun && before !== null) {
    if (before !== now)
      throw new InputChanged(`${file} has changed since its run began. Give --restart to begin anew, or put the file back.`)
    return begun.id
  }
  await writeFile(mark, now)
  const id = newUuid() as BatchId
  const createdAt = clock.now()
  await insertBatch(db, {
    id,
    projectId,
    keyId: 'run' as KeyId,
    endpoint,
    input: `s3://${bucket}/${basename(file)}`,
    completionWindow: `${windowMs / 86_400_000}d`,
    metadata: null,
    outputExpiresSeconds: null,
    createdAt,
    expiresAt: createdAt + windowMs,
  })
  return id
}

async function follow(
  { db, parts }: Engine,
  id: BatchId,
  { onProgress }: RunOptions,
  signal: AbortSignal,
): Promise<Batch | null> {
  while (!signal.aborted) {
    const batch = await loadBatch(db, id)
    if (!batch) throw new Error('the batch of this run is gone')
    onProgress(batch)
    if (isTerminal(batch.status)) return batch
    await parts.clock.sleep(lookMs, signal)
  }
  return null
}
