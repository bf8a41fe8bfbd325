/** The whole system as it is run on many machines, each process of it real, with a proxy that can fail on every way between them. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { S3 } from '@aws-sdk/client-s3'
import { startScriptedBackend, controlOf, type BackendControl } from '../conformance/scripted-backend.ts'
import { run } from '../cli/program.ts'
import type { Door } from '../conformance/wire.ts'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { freePort } from '../support/free-port.ts'
import { findPrograms, howToAdd, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { accessInFile, clientOf, startS3 } from '../support/s3-server.ts'
import { makeMember, type Member } from './member.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { patient } from './patient.ts'

export const bucket = 'jobs'
export const scratchBucket = 'night'
const teams = ['red', 'green', 'blue'] as const

export interface Fleet {
  /** Logs and settings; kept when something was wrong. */
  readonly folder: string
  readonly api: Member
  readonly workers: readonly Member[]
  readonly postgres: PostgresServer
  readonly toPostgres: TcpProxy
  readonly toS3: FaultProxy
  readonly toBackends: readonly TcpProxy[]
  readonly backends: readonly BackendControl[]
  /** The bucket as its owner sees it, past the proxy. */
  readonly s3: S3
  /** One key a project. */
  readonly doors: readonly Door[]
  /** `wrong`: the folder is kept. */
  end(wrong: boolean): Promise<void>
}

const peakOf = (pid: number): number => {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

export async function openFleet(count: number): Promise<Fleet> {
  const programs = await findPrograms()
  if (programs === null) throw new Error(`PostgreSQL is not here: ${howToAdd}`)
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-chaos-'))
  const postgres = await startPostgres(programs, [])
  const server = await startS3('versitygw')
  const s3 = clientOf(server)
  for (const Bucket of [bucket, scratchBucket]) await s3.createBucket({ Bucket })
  const servers = await Promise.all([startScriptedBackend(), startScriptedBackend()])
  const toBackends = await Promise.all(servers.map(({ url }) => startTcpProxy(Number(new URL(url).port))))
  const toPostgres = await startTcpProxy(postgres.port)
  const toS3 = await startFaultProxy(server.url)
  const access = accessInFile(toS3.url, server.accessKeyId)
  writeFileSync(join(folder, 'secret'), server.secretAccessKey)
  writeFileSync(
    join(folder, 'nightshift.yaml'),
    `backends:
${toBackends.map(({ port }) => `  - { url: "http://127.0.0.1:${port}", maxInFlight: 24 }`).join('\n')}
database: postgres://postgres@127.0.0.1:${toPostgres.port}/postgres
blobs: { bucket: ${scratchBucket}, prefix: prod, ${access} }
buckets:
  - { bucket: ${bucket}, ${access}, projects: [${teams.join(', ')}] }
`,
  )
  const common = ['--config', 'nightshift.yaml', '--lease', '3s', '--lease-renew', '1s', '--grace', '4s']
  const member = (name: string, ...args: string[]) =>
    makeMember(name, [...args, '--data', join(folder, name), ...common], folder, peakOf)
  const port = await freePort()
  const api = member('api', 'serve', '--workers', '0', '--port', String(port))
  /** Whose plans, and the results of their shards, lie in blobs, in rows, or in either. */
  const short = (i: number) => (i === 0 ? ['--short-bytes', '1'] : i === 1 ? ['--short-bytes', '10MB'] : [])
  const workers = Array.from({ length: count }, (_, i) => member(`worker-${i + 1}`, 'worker', ...short(i)))
  const baseUrl = `http://127.0.0.1:${port}`
  const doors: Door[] = []
  for (const team of teams) doors.push({ baseUrl, key: await keyOf(team, folder) })
  for (const one of [api, ...workers]) one.start()
  await patient('the API is ready', async () => {
    if (!(await fetch(`${baseUrl}/readyz`)).ok) throw new Error('not ready')
  })
  return {
    folder,
    api,
    workers,
    postgres,
    toPostgres,
    toS3,
    toBackends,
    backends: servers.map(({ url }) => controlOf(url)),
    s3,
    doors,
    async end(wrong) {
      await Promise.all([api, ...workers].map((one) => one.kill()))
      s3.destroy()
      await postgres.stop()
      for (const one of [...toBackends, toPostgres, toS3, ...servers, server]) await one[Symbol.asyncDispose]()
      if (!wrong) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A project and a key to it, made as an operator makes them. */
async function keyOf(team: string, cwd: string): Promise<string> {
  const operator = (...args: string[]) => run([...args, '--json', '--config', 'nightshift.yaml'], { cwd })
  await operator('projects', 'create', team)
  const { out, err } = await operator('keys', 'create', '--project', team)
  if (out === '') throw new Error(`no key for ${team}: ${err}`)
  return (JSON.parse(out) as { key: string }).key
}
