/**
 * Webhooks of projects, and what is sent to them. `events`: the types that are wanted, each between spaces; '' is all. A secret is made from the server's signing key, the id
 * and `secret_number`, and stands nowhere; the one before counts until `old_until`. A delivery whose `attempts` moved on is another try's.
 */
export const sql = `
create table webhooks (
  id text primary key, project_id text not null, url text not null, events text not null,
  secret_number bigint not null, old_until bigint not null, created_at bigint not null, disabled_at bigint
);
create index webhooks_by_project on webhooks (project_id);
create table deliveries (
  webhook_id text not null, event_id text not null, type text not null, subject text not null, created_at bigint not null,
  state text not null, attempts bigint not null, next_at bigint not null, last_status bigint, last_error text, ended_at bigint,
  primary key (webhook_id, event_id)
);
create index deliveries_due on deliveries (next_at) where state = 'waiting';
create index deliveries_ended on deliveries (ended_at) where ended_at is not null
`
