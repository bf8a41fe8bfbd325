/** Which place of files is this database's: the same mark lies there. */
export const sql = `
create table store_marks (
  one bigint primary key,
  mark text not null
)
`
