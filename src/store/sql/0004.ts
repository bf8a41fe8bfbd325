/**
 * What grows. Most rows of `batches` are of ended ones and rest, while those of open ones change at every step: were a fifth of the table to die before a
 * vacuum, as by default, the short partial indexes by which work is found would be full of dead entries long before (PostgreSQL 15, 25.1.2 and 20.10).
 */
export const sql = `
create index batches_pruned on batches (sweep_at) where sweeps >= 2;
alter table batches set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
alter table shards set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
alter table segments set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
alter table creates set (autovacuum_vacuum_scale_factor = 0.05)
`
