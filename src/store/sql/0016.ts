/** What lines that have not run yet will cost, as their plan estimated it, in millionths of the currency. */
export const sql = `
alter table batches add column enqueued_cost bigint not null default 0
`
