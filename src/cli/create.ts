import { createReadStream } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Client, NewBatch } from '../client.ts'
import { isAddress } from '../domain/address.ts'
import type { DryRunView } from '../domain/dry-run.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { describeBatch, type Terminal } from './terminal.ts'
import { watch } from './watch.ts'

export interface CreateFlags {
  readonly endpoint?: string
  readonly window?: string
  readonly watch?: boolean
  readonly metadata?: readonly string[]
  readonly dryRun?: boolean
}

/** Uploads a file, or takes an object by its address, and makes a batch of it. */
export async function create(t: Terminal, client: Client, input: string, flags: CreateFlags): Promise<Exit> {
  const known = isAddress(input) || /^file-[A-Za-z0-9]+$/.test(input)
  const named = known ? undefined : await endpointOf(input)
  const endpoint = flags.endpoint ?? named
  if (endpoint === undefined)
    throw new Failure('Say which endpoint the lines are for: --endpoint /v1/chat/completions', exit.usage)
  const inputId = known
    ? input
    : (await client.upload({ name: basename(input), stream: () => createReadStream(input, { highWaterMark: 1 << 20 }) })).id
  const metadata = Object.fromEntries((flags.metadata ?? []).map((pair) => splitPair(pair)))
  const asked = {
    input_file_id: inputId,
    endpoint,
    completion_window: flags.window ?? '24h',
    ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
  }
  if (flags.dryRun) return known ? showDryRun(t, await client.dryRun(asked)) : tryUpload(t, client, asked)
  const batch = await client.createBatch(asked)
  if (flags.watch) {
    if (!t.json) t.err(`Batch ${batch.id}\n`)
    return watch(t, client, batch.id)
  }
  t.out(t.json ? `${JSON.stringify(batch, null, 2)}\n` : describeBatch(t, batch))
  return exit.done
}

/** An upload that can be made a batch of is kept for that, and told; any other is deleted. */
async function tryUpload(t: Terminal, client: Client, asked: NewBatch): Promise<Exit> {
  let isKept = false
  try {
    const run = await client.dryRun(asked)
    isKept = run.valid && !t.json
    if (isKept) t.err(`It is uploaded. To run it: nightshift create ${asked.input_file_id} --endpoint ${asked.endpoint}\n`)
    return showDryRun(t, run)
  } finally {
    if (!isKept) await client.deleteFile(asked.input_file_id).catch(() => {}) // NOTE: it lapses like any other file
  }
}

/** A file that would fail ends with 1, and its lines that are wrong are told. */
function showDryRun(t: Terminal, run: DryRunView): Exit {
  const { lines, model, estimated_tokens: tokens, estimated_cost: cost, expected_seconds: seconds } = run
  const errors = run.errors?.data ?? []
  const told = run.valid
    ? [
        `${lines} lines for ${model}`,
        `about ${tokens?.input} tokens in, ${tokens?.output} out`,
        cost === null ? 'what it costs is not known' : `about ${cost.value} ${cost.currency.toUpperCase()}`,
        seconds === null ? 'how long it takes is not known yet' : `about ${seconds} s once it runs`,
      ]
    : errors.map((e) => `${e.line === null ? '' : `line ${e.line}: `}${e.message}`)
  t.out(t.json ? `${JSON.stringify(run, null, 2)}\n` : `${told.join('\n')}\n`)
  return run.valid ? exit.done : exit.failed
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=')
  if (at < 1) throw new Failure(`--metadata takes name=value, not '${pair}'.`, exit.usage)
  return [pair.slice(0, at), pair.slice(at + 1)]
}

const firstLineBytes = 64 * 1024

/** The url that the first line names. @throws {Failure} when the file cannot be read */
export async function endpointOf(path: string): Promise<string | undefined> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(firstLineBytes), 0, firstLineBytes, 0)
    const [, url] = /"url"\s*:\s*"([^"\\]+)"/.exec(buffer.toString('utf8', 0, bytesRead)) ?? []
    return url
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, exit.usage, {
      cause: error,
    })
  } finally {
    await file?.close()
  }
}
