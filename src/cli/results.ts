import { once } from 'node:events'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Client } from '../client.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { isOver, type Terminal } from './terminal.ts'
import { exitOf } from './watch.ts'

const triesAtMost = 5

/** Fetches the results of a batch into files (`{id}_output.jsonl`, `{id}_error.jsonl`), or to standard output. */
export async function results(t: Terminal, client: Client, id: string, to: string): Promise<Exit> {
  const batch = await client.getBatch(id)
  if (!isOver(batch.status))
    throw new Failure(
      `Batch ${id} is ${batch.status}: its files are there when it has ended. Follow it with: nightshift watch ${id}, or its lines: nightshift results ${id} --follow`,
    )
  const written: string[] = []
  for (const [kind, file] of [
    ['output', batch.output_file_id],
    ['error', batch.error_file_id],
  ] as const) {
    if (file === null) continue
    if (to === '-') await fetchTo(client, file, writeOut)
    else written.push(await fetchFile(client, file, join(to, `${id}_${kind}.jsonl`)))
  }
  if (t.json) t.out(`${JSON.stringify({ id, status: batch.status, files: written }, null, 2)}\n`)
  else if (to !== '-') t.out(written.length === 0 ? 'There are no results.\n' : written.map((path) => `${path}\n`).join(''))
  return batch.status === 'failed' ? exit.failed : exitOf(batch)
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
  try {
    await fetchTo(client, id, (chunk) => file.appendFile(chunk))
    await file.close()
    await rename(aside, path)
    return path
  } catch (error) {
    await file.close().catch(() => {})
    await rm(aside, { force: true })
    throw error
  }
}

/** A broken download goes on at the byte where it stopped. */
async function fetchTo(client: Client, id: string, write: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  let at = 0
  for (let tries = 1; ; tries++) {
    try {
      for await (const chunk of await client.content(id, at)) {
        await write(chunk)
        at += chunk.length
        tries = 1
      }
      return
    } catch (error) {
      if (tries >= triesAtMost || (error instanceof Error && 'status' in error && Number(error.status) >= 400)) throw error
    }
  }
}
