import pg from 'pg'
import { BadText, DbFull, DbUnavailable } from './db.ts'

/** SQLSTATE of a refusal, or the system's code of a broken connection. */
const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')

/** 40001 serialization_failure, 40P01 deadlock_detected: nothing has happened, and doing it again may succeed. */
export const isConflict = (error: unknown): boolean => /^40(001|P01)$/.test(codeOf(error))

/** 55P03 lock_not_available: somebody else uses the table, and we do not wait for it. */
export const isInUse = (error: unknown): boolean => codeOf(error) === '55P03'

/** The database did not refuse: it was not heard, or ended the session. Such a connection is not used again. */
export const isOfConnection = (error: unknown): error is Error =>
  error instanceof Error &&
  (error instanceof pg.DatabaseError
    ? /^(08|57P0|25P0[34])/.test(codeOf(error))
    : /connect|timeout|terminated|queryable/i.test(error.message) || codeOf(error) !== '')

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes, and ERR_TLS_CERT_ALTNAME_INVALID. */
const isOfCertificate = (code: string): boolean => /CERT|VERIFY_LEAF/.test(code)

/**
 * https://www.postgresql.org/docs/15/errcodes-appendix.html. No message of the driver is passed on: it may hold what a user wrote. `place`: host and port, for
 * the operator; the API tells its callers nothing of it.
 */
export function translateError(error: unknown, place: string): unknown {
  const code = codeOf(error)
  const away = (why: string) => new DbUnavailable(why, { cause: error })
  if (error instanceof pg.DatabaseError) {
    if (code === '53100') return new DbFull('no room left for the database', { cause: error })
    if (code === '22021') return new BadText('a text has a character that the database cannot hold', { cause: error })
    if (code === '28P01') return away(`the database refuses the user or the password (${code}): check the address of --database`)
    if (code === '28000')
      return away(
        `the database does not let this user in from here (${code}): its pg_hba.conf may want TLS (sslmode=verify-full in the address of --database), or another user or host`,
      )
    if (code === '3D000') return away('there is no such database on the server: create it, or check the address of --database')
    if (code === '42501') return away('the database user lacks a right: it must own its schema')
    if (code === '25006') return away('the database is read-only: it may be a standby')
    if (isInUse(error)) return away('its tables are in use, by a backup perhaps: start again when that has ended')
    if (/^(08|53|57|58|25P0|40|XX)/.test(code)) return away(`the database cannot answer now (${code})`)
    return error
  }
  if (isOfCertificate(code))
    return away(
      `the certificate of the database at ${place} is not trusted (${code}): name the file of its authority in the address of --database (sslrootcert=ca.pem), and the host as the certificate has it`,
    )
  if (isOfConnection(error))
    return away(
      `the database at ${place} cannot be reached (${code || 'the connection broke'}): see whether it runs and takes connections from here, and check the address of --database`,
    )
  return error
}
