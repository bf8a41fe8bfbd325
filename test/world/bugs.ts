import type { Blobs } from '../../src/blobs/blobs.ts'
import type { Transport } from '../../src/dispatch/http/transport.ts'
import type { Db } from '../../src/store/db.ts'
import { anyFence, beforeItsBlob, oursBurns, trustsItsLastLook, withoutFence } from './bug-parts.ts'
import type { Life } from './life.ts'

/** A fault that is planted on purpose, in what a process is given: the worlds must find it. */
export interface Bug {
  readonly name: string
  /** What does not hold with it. */
  readonly breaks: string
  /** The first seed that finds it, from 1 on: what `npm run simulate-world -- --bugs` says. */
  readonly foundAt: number
  /** In a statement. */
  readonly sql?: (text: string) => string
  /** In a part. */
  readonly db?: (db: Db) => Db
  readonly blobs?: (blobs: Blobs, life: Life) => Blobs
  readonly transport?: (transport: Transport) => Transport
}

/** In each statement that begins or is as the pattern says, the one is put in the place of the other. */
const inSql =
  (which: RegExp, what: string | RegExp, instead: string) =>
  (text: string): string =>
    which.test(text) ? text.replaceAll(what, instead) : text
const both =
  (a: (text: string) => string, b: (text: string) => string) =>
  (text: string): string =>
    b(a(text))
const nothing = (which: RegExp) => (text: string) => (which.test(text) ? `${text} and 1 = 0` : text)

export const bugs: readonly Bug[] = [
  {
    name: 'a checkpoint without a fence',
    breaks: 'I2',
    foundAt: 4,
    db: anyFence,
  },
  { name: 'a checkpoint before its blob', breaks: 'I3', foundAt: 1, blobs: beforeItsBlob },
  {
    name: 'a lease that is not renewed',
    breaks: 'I2',
    foundAt: 29,
    sql: inSql(/^update shards set lease_until = \{now\}/, '= {now} + $2', '= lease_until + 0 * $2'),
  },
  {
    name: 'counts that are added to',
    breaks: 'I5',
    foundAt: 1,
    sql: inSql(/^update shards set completed = \$3/, /(\w+) = \$(\d+)(?=,| where)/g, '$1 = $1 + $$$2'),
  },
  { name: 'a checkpoint that is not known again', breaks: 'I11', foundAt: 115, sql: nothing(/^select 1 as one from segments/) },
  { name: 'a cancel that no worker sees', breaks: 'I8', foundAt: 4, sql: nothing(/^select id, status from batches where id in/) },
  {
    name: 'shards that stay open when composing begins',
    breaks: 'I7',
    foundAt: 70,
    sql: inSql(/^update shards set state = 'closed'/, `('waiting', 'held')`, `('')`),
  },
  {
    name: 'publishing over a cancel',
    breaks: 'I6',
    foundAt: 121,
    sql: inSql(/^update batches set status = v.column4/, 'and status = v.column3', `and v.column3 <> ''`),
  },
  {
    name: 'an end that nobody is told of',
    breaks: 'I17',
    foundAt: 73,
    sql: inSql(/^insert into deliveries/, `where b.id in`, `where b.status <> 'expired' and b.id in`),
  },
  {
    name: 'a try that counts as two',
    breaks: 'I17',
    foundAt: 300,
    sql: inSql(/^update deliveries set state = /, `ended_at = null`, `ended_at = null, event_id = event_id || '!'`),
  },
  {
    name: 'scratch that is swept too early',
    breaks: 'I3',
    foundAt: 18,
    sql: inSql(/^select id, project_id, input from batches where sweeps/, `('completed'`, `('cancelling', 'completed'`),
  },
  {
    name: 'scratch that is swept once only',
    breaks: 'I3',
    foundAt: 36,
    sql: inSql(/^select id, project_id, input from batches where sweeps/, 'sweeps < 2', 'sweeps < 1'),
  },
  {
    name: 'an object that is expected to be as it was staged',
    breaks: 'I7',
    foundAt: 2,
    sql: inSql(/^update outputs set bytes = /, 'tag = $5', `tag = case when coalesce(tag, '') = '' then $5 else tag end`),
  },
  { name: 'segments named without their fence', breaks: 'I4', foundAt: 2, ...withoutFence },
  { name: 'a worker that trusts its last look', breaks: 'I8', foundAt: 319, db: trustsItsLastLook },
  { name: 'our own trouble that burns an attempt', breaks: 'I10', foundAt: 4, transport: oursBurns },
  { name: 'a create that does not look for its repeat', breaks: 'D8', foundAt: 13, sql: nothing(/^select \* from creates/) },
  {
    name: 'a cancel of what has ended',
    breaks: 'I6',
    foundAt: 5,
    sql: inSql(/^update batches set status = 'cancelling'/, `and status in ('validating', 'in_progress')`, ''),
  },
  {
    name: 'slots of others that are not seen',
    breaks: 'I9',
    foundAt: 9,
    sql: nothing(/^select owner, granted, wanted from slots/),
  },
  {
    name: 'shards that are not given back',
    breaks: 'I11',
    foundAt: 10,
    sql: inSql(/^update shards set state = 'waiting'/, `and state = 'held'`, `and state = ''`),
  },
  {
    name: 'blobs that nobody announces',
    breaks: 'I3',
    foundAt: 10,
    sql: both(
      inSql(/^insert into uploads/, /values \(\$1, \$2, (.*)\)\s/g, 'select $1, $2, $1 where 1 = 0 '),
      both(
        inSql(
          /^delete from uploads where \(blob, owner\)/,
          /^.*(\(values .*\)) returning blob$/gs,
          'select column1 as blob from $1',
        ),
        inSql(
          /^select blob, owner from uploads/,
          /^.*in \((values .*)\)$/gs,
          'select column1 as blob, column2 as owner from ($1)',
        ),
      ),
    ),
  },
]
