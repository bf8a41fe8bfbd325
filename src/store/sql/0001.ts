/** The first schema, in the SQL that SQLite and PostgreSQL both understand. Times are milliseconds since 1970. */
export const sql = `
create table projects (
  id text primary key, name text not null, is_default bigint not null, created_at bigint not null
);
create unique index projects_name on projects (name);

create table keys (
  id text primary key, project_id text not null references projects (id), name text not null, hash text not null, hint text not null,
  created_at bigint not null, revoked_at bigint
);
create unique index keys_hash on keys (hash);

-- which project may use which bucket. place: how to open it, as JSON. source: 'settings' (replaced at each start), 'own' (the project's own folder), 'operator'
create table buckets (
  project_id text not null references projects (id), bucket text not null, place text not null, source text not null,
  primary key (project_id, bucket)
);

create table files (
  id text primary key, project_id text not null, purpose text not null, filename text not null, bytes bigint not null, blob text not null,
  created_at bigint not null, expires_at bigint, batch_id text
);
create index files_list on files (project_id, created_at, id);
create index files_expiry on files (expires_at) where expires_at is not null;
create index files_blob on files (blob);

-- fence, owner, lease_until: of whoever plans or composes it. stopped_at: when a cancel or the end of the window was recorded for its holders
create table batches (
  id text primary key, project_id text not null, key_id text not null, endpoint text not null, input text not null, completion_window text not null,
  metadata text, output_expires_seconds bigint,
  status text not null, model text, errors text, output_file_id text, error_file_id text,
  created_at bigint not null, in_progress_at bigint, expires_at bigint not null, finalizing_at bigint, completed_at bigint, failed_at bigint,
  expired_at bigint, cancelling_at bigint, cancelled_at bigint,
  total bigint not null default 0, plan_blob text, plan_bytes bigint,
  completed bigint not null default 0, failed bigint not null default 0,
  input_tokens bigint not null default 0, cached_tokens bigint not null default 0, output_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0, total_tokens bigint not null default 0, duration_ms bigint not null default 0,
  fence bigint not null default 0, owner text, lease_until bigint not null default 0, retry_at bigint not null default 0, trouble text, trouble_since bigint,
  sweeps bigint not null default 0, sweep_at bigint not null default 0
);
create index batches_list on batches (project_id, id);
create index batches_open on batches (status, id) where status in ('validating', 'in_progress', 'cancelling');
-- scratch is swept when a batch has ended, and once more an hour later
create index batches_sweep on batches (sweep_at) where sweeps < 2 and status in ('completed', 'failed', 'expired', 'cancelled');

create table shards (
  batch_id text not null, number bigint not null, start bigint not null, bytes bigint not null, lines bigint not null,
  state text not null, fence bigint not null default 0, owner text, lease_until bigint not null default 0,
  completed bigint not null default 0, failed bigint not null default 0,
  input_tokens bigint not null default 0, cached_tokens bigint not null default 0, output_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0, total_tokens bigint not null default 0, duration_ms bigint not null default 0,
  primary key (batch_id, number)
);
create index shards_open on shards (batch_id, state, number) where state in ('waiting', 'held');

-- a row is a checkpoint: it makes the segment in the blob count. The blob holds output_bytes of result lines, then error_bytes of them
create table segments (
  batch_id text not null, shard bigint not null, fence bigint not null, number bigint not null,
  blob text not null, output_bytes bigint not null, error_bytes bigint not null, lines text not null,
  completed bigint not null, failed bigint not null,
  input_tokens bigint not null, cached_tokens bigint not null, output_tokens bigint not null,
  reasoning_tokens bigint not null, total_tokens bigint not null, duration_ms bigint not null,
  primary key (batch_id, shard, fence, number)
);

-- every blob that is not under a fence, announced before its first byte
create table uploads (
  blob text primary key, owner text not null, renewed_until bigint not null
);

-- names of result objects, reserved before they are written. tag and handle: of what was staged under them; kind: 'output' or 'error'
create table outputs (
  store text not null, bucket text not null, key text not null, project_id text not null, batch_id text not null, kind text not null,
  bytes bigint, tag text, handle text, published_at bigint, expires_at bigint,
  primary key (store, bucket, key)
);
create index outputs_batch on outputs (batch_id);
create index outputs_expiry on outputs (expires_at) where expires_at is not null;

-- what each backend said it has: the API may not ask them
create table models (
  backend text not null, model text not null, seen_at bigint not null,
  primary key (backend, model)
);

-- creates that must not make a second batch: by Idempotency-Key, or by the body of a create whose answer may not have arrived
create table creates (
  key_id text not null, mark text not null, body_hash text not null, batch_id text not null, created_at bigint not null, answered bigint not null,
  primary key (key_id, mark)
);
create index creates_age on creates (created_at);
`
