import { once } from 'node:events'
import { open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { BatchView, Client } from '../client.ts'
import { download } from './download.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { mergeResults } from './merge.ts'
import type { Format } from './merge-formats.ts'
import { temporary } from './temporary.ts'
import { isOver, type Terminal } from './terminal.ts'
import { exitOf } from './watch.ts'

/** Fetches the results of a batch into files (`{id}_output.jsonl`, `{id}_error.jsonl`; merged: `{id}_merged.jsonl`), or to standard output. */
export async function results(t: Terminal, client: Client, id: string, to: string, merged: Format | null): Promise<Exit> {
  const batch = await client.getBatch(id)
  if (!isOver(batch.status))
    throw new Failure(
      `Batch ${id} is ${batch.status}: its files are there when it has ended. Follow it with: nightshift watch ${id}, or its lines: nightshift results ${id} --follow`,
    )
  const written = await (merged ? writeMerged(client, batch, to, merged) : writeFiles(client, batch, to))
  if (t.json) t.out(`${JSON.stringify({ id, status: batch.status, files: written }, null, 2)}\n`)
  else if (to !== '-') t.out(written.length === 0 ? 'There are no results.\n' : written.map((path) => `${path}\n`).join(''))
  return batch.status === 'failed' ? exit.failed : exitOf(batch)
}

async function writeFiles(client: Client, batch: BatchView, to: string): Promise<string[]> {
  const written: string[] = []
  for (const [kind, file] of [
    ['output', batch.output_file_id],
    ['error', batch.error_file_id],
  ] as const) {
    if (file === null) continue
    if (to === '-') for await (const chunk of download(client, file)) await writeOut(chunk)
    else written.push(await fetchFile(client, file, join(to, `${batch.id}_${kind}.jsonl`)))
  }
  return written
}

async function writeMerged(client: Client, batch: BatchView, to: string, format: Format): Promise<string[]> {
  if (batch.output_file_id === null && batch.error_file_id === null) return []
  const path = to === '-' ? to : join(to, `${batch.id}_merged.${format}`)
  await mergeResults(client, batch, path, format, writeOut)
  return to === '-' ? [] : [path]
}

export async function writeOut(chunk: Uint8Array): Promise<void> {
  if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
}

/** Whole under its name, or not there. */
async function fetchFile(client: Client, id: string, path: string): Promise<string> {
  const aside = `${path}.part`
  const file = await open(aside, 'w').catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    throw new Failure(`The folder ${dirname(path)} cannot be written: ${why}. Name another with --to.`, exit.failed, {
      cause: error,
    })
  })
  using _ = temporary(aside)
  try {
    for await (const chunk of download(client, id)) await file.appendFile(chunk)
  } finally {
    await file.close()
  }
  await rename(aside, path)
  return path
}
