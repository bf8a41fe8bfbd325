/** Who did what, and who was not let (domain/audit.ts). `id` sorts by time. */
export const sql = `
create table audit (
  id text not null primary key, at bigint not null, project_id text, key_id text, operation text not null, target text, address text not null, status integer not null
);
create index audit_by_project on audit (project_id, id)
`
