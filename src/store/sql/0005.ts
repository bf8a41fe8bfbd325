/**
 * What is kept of a batch beside its row: `layout`, the sizes of its shards' results in the two files (so that a reader goes on within them when the rows are
 * gone), and `input_tag`, of the object that was planned (so that a retry reads the same). Null where a program of before wrote the row.
 */
export const sql = `
alter table batches add column layout text;
alter table batches add column input_tag text
`
