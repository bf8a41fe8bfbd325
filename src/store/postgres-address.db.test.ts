/** The forms of `--database`: a password, TLS, a socket, and what is said of each when it is wrong. */
import { chmod, chown, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findPrograms, someUser, startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts'
import { systemClock } from '../kit/clock.ts'
import { DbUnavailable } from './db.ts'
import { openDatabase } from './open.ts'

const tls = join(import.meta.dirname, '../../test/data/tls')
const programs = await findPrograms()

describe.runIf(programs)('on a PostgreSQL that lets its user in with a password, by TLS or by its socket', () => {
  let folder: string
  let server: PostgresServer

  beforeAll(async () => {
    const { uid, gid } = await someUser()
    folder = await mkdtemp(join(tmpdir(), 'nightshift-pg-tls-'))
    const of = (name: string) => join(folder, name)
    await writeFile(
      of('hba.conf'),
      `hostnossl all postgres 127.0.0.1/32 trust\nhostssl all night 127.0.0.1/32 scram-sha-256\nlocal all night scram-sha-256\n`,
    )
    await copyFile(join(tls, 'localhost.pem'), of('cert.pem'))
    await copyFile(join(tls, 'localhost.key.pem'), of('key.pem'))
    await chmod(of('key.pem'), 0o600)
    if (uid !== undefined)
      for (const path of [folder, of('hba.conf'), of('cert.pem'), of('key.pem')]) await chown(path, uid, gid ?? uid)
    const settings = [`hba_file=${of('hba.conf')}`, 'ssl=on', `ssl_cert_file=${of('cert.pem')}`, `ssl_key_file=${of('key.pem')}`]
    server = await startPostgres(programs ?? '', ['fsync=off', ...settings, `unix_socket_directories=${folder}`])
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query(`create role night login password 'sesame:1'`)
    await client.query('create database night owner night')
    await client.end()
  })

  afterAll(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** Opened and asked; what is wrong, if something is. */
  async function trouble(address: string): Promise<unknown> {
    const url = address.replace('PORT', String(server.port)).replace('FOLDER', encodeURIComponent(folder)).replace('TLS', tls)
    try {
      await using db = await openDatabase({ folder: '', url, clock: systemClock })
      const rows = await db.query('select count(*) as n from migrations')
      return Number(rows[0]?.n) > 0 ? null : 'no schema'
    } catch (error) {
      return error
    }
  }

  test.each([
    'postgres://night:sesame%3A1@127.0.0.1:PORT/night?sslmode=verify-full&sslrootcert=TLS/ca.pem',
    'postgresql://night:sesame%3A1@localhost:PORT/night?sslmode=verify-full&sslrootcert=TLS/ca.pem',
    'postgres://night:sesame%3A1@127.0.0.1:PORT/night?sslmode=no-verify',
    'postgres://night:sesame%3A1@/night?host=FOLDER&port=PORT',
  ])('%s works', async (address) => {
    expect(await trouble(address)).toBe(null)
  })

  test.each([
    ['a wrong password', 'night:wrong@127.0.0.1:PORT/night?sslmode=no-verify', /refuses the user or the password \(28P01\)/],
    [
      'no TLS where the server wants it',
      'night:sesame%3A1@127.0.0.1:PORT/night',
      /does not let this user in from here \(28000\): .*sslmode=verify-full/,
    ],
    [
      'a certificate that nobody known vouches for',
      'night:sesame%3A1@127.0.0.1:PORT/night?sslmode=verify-full',
      /certificate .* is not trusted \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\): .*sslrootcert/,
    ],
    [
      'a certificate of another authority',
      'night:sesame%3A1@127.0.0.1:PORT/night?sslmode=verify-full&sslrootcert=TLS/cert.pem',
      /certificate .* is not trusted \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\): .*sslrootcert/,
    ],
    [
      'a socket that is not there',
      'night:sesame%3A1@/night?host=/nonexistent&port=PORT',
      /\/nonexistent cannot be reached \(ENOENT\)/,
    ],
  ])('%s is told, without the password', async (_, address, says) => {
    const error = await trouble(`postgres://${address}`)
    expect(error).toBeInstanceOf(DbUnavailable)
    expect(String(error)).toMatch(says)
    expect(String(error)).not.toMatch(/sesame|wrong/)
  })
})
