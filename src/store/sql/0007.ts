/** What a key may do, a row a project (`rights`: names of rights and of sets, with spaces between); before, each key could do everything in its project. */
export const sql = `
alter table keys add column expires_at bigint;
alter table keys add column last_used_at bigint;
alter table keys add column operator bigint not null default 0;
create table key_rights (key_id text not null, project_id text not null, rights text not null, primary key (key_id, project_id));
create index key_rights_by_project on key_rights (project_id);
insert into key_rights select id, project_id, 'AllProductsFullAccess' from keys
`
