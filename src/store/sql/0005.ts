/**
 * Short batches live in rows: `body`, what a short plan has of a shard, and the results of such a shard, as base64; null: they lie in blobs. And what is kept of a
 * batch beside its row: `layout`, the sizes of its shards' results in the two files (so that a reader goes on within them when the rows are gone), and
 * `input_tag`, of the object that was planned (so that a retry reads the same).
 */
export const sql = `
alter table shards add column body text;
alter table segments add column body text;
alter table batches add column layout text;
alter table batches add column input_tag text
`
