/** What was used, a row a day (UTC, days since 1970), project, key, model and endpoint: added up in the commit that publishes a batch, so that it outlives the batch. `model` as in `batches`. */
export const sql = `
create table usage (
  project_id text not null, day bigint not null, key_id text not null, model text not null, endpoint text not null,
  batches bigint not null, completed bigint not null, failed bigint not null,
  input_tokens bigint not null, cached_tokens bigint not null, output_tokens bigint not null,
  reasoning_tokens bigint not null, total_tokens bigint not null, duration_ms bigint not null,
  primary key (project_id, day, key_id, model, endpoint)
);
insert into usage (project_id, day, key_id, model, endpoint, batches, completed, failed, input_tokens, cached_tokens, output_tokens, reasoning_tokens, total_tokens, duration_ms)
  select project_id, coalesce(completed_at, expired_at, cancelled_at) / 86400000, key_id, model, endpoint,
    count(*), sum(completed), sum(failed), sum(input_tokens), sum(cached_tokens), sum(output_tokens), sum(reasoning_tokens), sum(total_tokens), sum(duration_ms)
  from batches where status in ('completed', 'expired', 'cancelled') and model is not null
  group by 1, 2, 3, 4, 5
`
