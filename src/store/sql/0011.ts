/** `weight`: a project's part of what is served, beside the others. `at_risk` of a batch: 1 while it would miss its window at the present pace. */
export const sql = `
alter table projects add column weight integer not null default 1;
alter table batches add column at_risk integer not null default 0
`
