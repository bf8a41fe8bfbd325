import { onTestFinished } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import type { SimulateOptions } from '../../src/domain/simulate-options.ts'
import { openFolder, serve, start, type Running } from '../cli/program.ts'
import { poll } from '../conformance/follow.ts'
import { model } from '../conformance/lines.ts'

const simulated = { models: [model], firstTokenMs: 20, tokenMs: 0 }
const leases = ['--lease', '3s', '--lease-renew', '1s', '--grace', '5s']

/** An API, workers, a simulated backend and a folder for the bytes, all gone when the test ends. */
export async function openFleet(
  database: string,
  count: number,
  flags: readonly string[],
  backend: Partial<SimulateOptions> = {},
) {
  const folder = await openFolder()
  const simulator = await startSimulator({ ...simulated, ...backend })
  const all = ['--database', database, '--blobs', folder.in('blobs'), ...leases, ...flags]
  const server = await serve(folder.in('data'), simulator.url, { flags: [...all, '--workers', '0'] })
  const work = async (more: readonly string[] = []): Promise<Running> => {
    const worker = start(['worker', '--data', folder.in('data'), '--backend', simulator.url, ...all, ...more])
    await poll(
      async () => worker.err(),
      (said) => said.includes('The worker works'),
      'a worker works',
    )
    return worker
  }
  const workers = await Promise.all(Array.from({ length: count }, () => work()))
  onTestFinished(async () => {
    await Promise.all([server, ...workers].map((one) => one[Symbol.asyncDispose]()))
    await simulator[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })
  return { simulator, server, workers, work }
}
