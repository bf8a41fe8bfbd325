/** Small batches live in rows: what a short plan has of a shard, and the results of such a shard, are no blobs of their own. As base64; null: in a blob. */
export const sql = `
alter table shards add column body text;
alter table segments add column body text
`
