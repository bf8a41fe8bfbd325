/** PgBouncer in front of a PostgreSQL, lending connections by the transaction: what is left on a session is another's. */
import { spawn } from 'node:child_process'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort } from './free-port.ts'
import { answers, isProgram, someUser } from './postgres-server.ts'

export const howToAdd = 'install PgBouncer (Debian: apt-get install pgbouncer)'

export interface Pooler {
  /** What an address of the server becomes when it goes by the pooler. */
  through(url: string): string
  stop(): Promise<void>
}

/** Its program; null: there is none on this machine. */
export async function findPooler(): Promise<string | null> {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'])
    if (await isProgram(join(folder, 'pgbouncer'))) return join(folder, 'pgbouncer')
  return null
}

/** `size`: connections to a database, which all who come by the pooler share. */
export async function startPooler(program: string, server: string, size: number): Promise<Pooler> {
  const user = await someUser()
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-pooler-'))
  const { hostname, port: serverPort } = new URL(server)
  const port = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  await writeFile(
    config,
    `[databases]\n* = host=${hostname} port=${serverPort} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = any\n` +
      `pool_mode = transaction\ndefault_pool_size = ${size}\nmax_client_conn = 1000\nserver_reset_query =\n`,
  )
  if (user.uid !== undefined) for (const path of [folder, config]) await chown(path, user.uid, user.gid ?? user.uid)
  const child = spawn(program, ['-q', config], { ...user, cwd: folder, stdio: 'ignore' })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  const through = (url: string) => Object.assign(new URL(url), { port: String(port) }).href
  const stop = async () => {
    child.kill('SIGTERM')
    await gone
    await rm(folder, { recursive: true, force: true })
  }
  if (await answers(through(server), child)) return { through, stop }
  await stop()
  throw new Error('PgBouncer does not start')
}
