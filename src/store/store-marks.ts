import { text, type Queries } from './db.ts'

/** The mark of this database's files: the one that is proposed, unless there is one. */
export async function holdStoreMark(db: Queries, proposed: string): Promise<string> {
  await db.query(`insert into store_marks (one, mark) values (1, $1) on conflict do nothing`, [proposed])
  const mark = await findStoreMark(db)
  if (mark === null) throw new Error('a mark that was made is not there')
  return mark
}

export async function findStoreMark(db: Queries): Promise<string | null> {
  const [row] = await db.query(`select mark from store_marks where one = 1`)
  return row ? text(row, 'mark') : null
}
