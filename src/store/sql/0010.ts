/** How often keys may do things: `limits` of a key as JSON; a row of `rates` says up to when (microseconds) what it did is paid for. */
export const sql = `
alter table keys add column limits text;
create table rates (key_id text not null, kind text not null, paid_until bigint not null, primary key (key_id, kind))
`
