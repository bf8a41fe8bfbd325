/** Many workers: who there is, and how the slots of each backend are shared among them. */
export const sql = `
-- granted: calls that this worker may have open; wanted: as many as it has lines for
create table slots (
  backend text not null, owner text not null, granted bigint not null, wanted bigint not null, lease_until bigint not null,
  primary key (backend, owner)
);
create table workers (
  owner text primary key, lease_until bigint not null
);
`
