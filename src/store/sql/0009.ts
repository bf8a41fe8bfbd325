/**
 * What projects may have: a row a kind (domain/quota.ts) and model ('' is all of them; else JSON, as in `batches`). `estimated_tokens` of a batch: what its lines were
 * taken for at the plan; `enqueued_tokens`: the same, with what was learned from earlier ones. In `usage`, the part of the estimates whose lines have ended.
 */
export const sql = `
create table quotas (project_id text not null, kind text not null, model text not null, amount bigint not null, primary key (project_id, kind, model));
alter table batches add column estimated_tokens bigint not null default 0;
alter table batches add column enqueued_tokens bigint not null default 0;
alter table usage add column estimated_tokens bigint not null default 0
`
