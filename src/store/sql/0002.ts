/** What is open is found without passing what has ended: a partial index is taken only for the very condition that it was made with. */
export const sql = `
create index batches_validating on batches (id) where status = 'validating';
create index batches_running on batches (model, id) where status = 'in_progress';
create index batches_running_of on batches (model, project_id, id) where status = 'in_progress';
drop index shards_open;
create index shards_waiting on shards (batch_id, number) where state = 'waiting';
create index shards_held on shards (owner, batch_id, number) where state = 'held';
create index shards_held_of on shards (batch_id, number) where state = 'held';
create index uploads_lapse on uploads (renewed_until);
create index uploads_owner on uploads (owner);
`
