/** S3 servers of one's own: found where they were built, started on a free port with a folder of their own, gone when stopped. */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3 } from '@aws-sdk/client-s3'
import { setVariable } from '../../src/kit/environment.ts'
import type { S3Access, S3Place } from '../../src/domain/grant.ts'
import { freePort } from './free-port.ts'

export const howToAdd =
  'build them with scripts/get-s3-servers.sh (it needs Go, and takes some ten minutes once), or name the folder that they are in with NIGHTSHIFT_S3_BIN'

export interface S3TestServer {
  /** With the bucket in the path; `hostStyle` gives the address for those that put it before the host. */
  readonly url: string
  readonly port: number
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

setVariable('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')

const accessKeyId = 'nightshift-test'
const secretAccessKey = 'nightshift-test-secret'

/** How each is started; both answer to buckets before `s3.localhost`. */
const programs: Record<string, (port: number, folder: string) => { args: string[]; env: Record<string, string> }> = {
  versitygw: (port, folder) => ({
    args: [
      ['--quiet', '--virtual-domain', `s3.localhost:${port}`, '--port', `127.0.0.1:${port}`],
      ['--access', accessKeyId, '--secret', secretAccessKey, 'posix', folder],
    ].flat(),
    env: {},
  }),
  minio: (port, folder) => ({
    args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, folder],
    env: {
      MINIO_ROOT_USER: accessKeyId,
      MINIO_ROOT_PASSWORD: secretAccessKey,
      MINIO_DOMAIN: 's3.localhost',
      MINIO_BROWSER: 'off',
      HOME: folder,
    },
  }),
}
export const serverNames = Object.keys(programs)

/** null: it is not on this machine. */
export function findS3Program(name: string): string | null {
  const places = [
    process.env.NIGHTSHIFT_S3_BIN ?? '',
    join(import.meta.dirname, '../../.cache/bin'),
    join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'nightshift/bin'),
  ]
  for (const place of places.filter(Boolean))
    try {
      accessSync(join(place, name), constants.X_OK)
      return join(place, name)
    } catch {
      continue
    }
  return null
}

export const missingServers = (): string[] => serverNames.filter((name) => findS3Program(name) === null)

export async function startS3(name: string): Promise<S3TestServer & AsyncDisposable> {
  const program = findS3Program(name)
  const how = programs[name]
  if (!program || !how) throw new Error(`${name} is not here: ${howToAdd}`)
  const folder = await mkdtemp(join(tmpdir(), `nightshift-${name}-`))
  const port = await freePort()
  const { args, env } = how(port, folder)
  const child = spawn(program, args, { cwd: folder, stdio: 'ignore', env: { ...process.env, ...env } })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const server = { url: `http://127.0.0.1:${port}`, port, accessKeyId, secretAccessKey }
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  const client = clientOf(server)
  for (const until = Date.now() + 30_000; ; await new Promise((resolve) => setTimeout(resolve, 50)))
    try {
      await client.listBuckets({})
      break
    } catch (error) {
      if (child.exitCode === null && Date.now() < until) continue
      await stop()
      throw new Error(`${name} does not start`, { cause: error })
    }
  client.destroy()
  return { ...server, [Symbol.asyncDispose]: stop }
}

/** The official client, as a user has it. */
export const clientOf = ({ url }: { readonly url: string }): S3 =>
  new S3({
    endpoint: url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })

/** The test's secret is in a variable, as an operator's would be. */
export const accessTo = ({ url }: { readonly url: string }): S3Access => {
  process.env.NIGHTSHIFT_TEST_S3_SECRET = secretAccessKey
  return {
    endpoint: url,
    region: 'us-east-1',
    accessKeyId,
    secretAccessKey: { variable: 'NIGHTSHIFT_TEST_S3_SECRET' },
    pathStyle: true,
  }
}
/** The same as a settings file says it that has the secret beside it, in the file `secret`. */
export const accessInFile = (endpoint: string, accessKeyId: string, pathStyle = true): string =>
  `endpoint: "${endpoint}", accessKeyId: ${accessKeyId}, secretAccessKey: { file: secret }, pathStyle: ${pathStyle}`

export const placeOf = (server: { readonly url: string }, more: Partial<S3Place> = {}): S3Place => ({
  kind: 's3',
  ...accessTo(server),
  read: true,
  write: true,
  ...more,
})

export const hostStyle = ({ port }: S3TestServer): { endpoint: string; pathStyle: boolean } => ({
  endpoint: `http://s3.localhost:${port}`,
  pathStyle: false,
})
