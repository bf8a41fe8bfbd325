/**
 * Projects that are erased: how far it is, and what was deleted, as JSON (domain/erasure.ts). `passes`: how often everything was looked for and deleted; the second time is an
 * hour after the first, for what came late. `keep_ms`: how long a project keeps files and ended batches; null: as the server does.
 */
export const sql = `
alter table projects add column erasing_at bigint;
alter table projects add column keep_ms bigint;
create table erasures (
  project_id text not null primary key, name text not null, requested_at bigint not null, due_at bigint not null, passes bigint not null default 0,
  erased_at bigint, confirmed_at bigint, deleted text not null
);
create index erasures_due on erasures (due_at) where confirmed_at is null
`
