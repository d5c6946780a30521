-- name: make_incoming
-- One per session, emptied by every commit: a table made per batch would bloat the catalogue.
create temporary table if not exists incoming_entry (
  tenant_id uuid, key_id uuid, surface text, upstream text, provider text, model text,
  answered_model text, state text, outcome text, error text, estimate text,
  provider_request_id text, id uuid, price_id text, at_ms bigint, cost_usd numeric,
  stream boolean, usage_known boolean, input bigint, cache_read bigint, cache_write_5m bigint,
  cache_write_30m bigint, cache_write_1h bigint, cache_write_12h bigint, input_audio bigint,
  input_image bigint, output bigint, output_audio bigint, output_image bigint, reasoning bigint,
  web_search bigint, web_fetch bigint, status integer, request_bytes bigint, answer_bytes bigint,
  first_byte_ms bigint, duration_ms bigint, leases bigint[], drawn_usd numeric
) on commit delete rows;

-- name: copy_incoming
-- Column order is that of rows.COLUMNS; a test compares the two.
copy pg_temp.incoming_entry from stdin;

-- name: append_entries
-- Idempotent: (tenant_id, id, at) of a call is always the same, and the first row stays. No conflict
-- target is named, since naming one would need a right to read.
insert into meterr.ledger_entry (
  tenant_id, key_id, surface, upstream, provider, model, answered_model, state, outcome, error,
  estimate, provider_request_id, id, price_id, at, cost_usd, stream, usage_known, input,
  cache_read, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, input_audio,
  input_image, output, output_audio, output_image, reasoning, web_search, web_fetch, status,
  request_bytes, answer_bytes, first_byte_ms, duration_ms, leases, drawn_usd)
select
  tenant_id, key_id, surface, upstream, provider, model, answered_model, state, outcome, error,
  estimate, provider_request_id, id, price_id,
  timestamptz 'epoch' + at_ms * interval '1 millisecond', cost_usd, stream, usage_known, input,
  cache_read, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, input_audio,
  input_image, output, output_audio, output_image, reasoning, web_search, web_fetch, status,
  request_bytes, answer_bytes, first_byte_ms, duration_ms, leases, drawn_usd
  from pg_temp.incoming_entry
on conflict do nothing;

-- name: append_price
-- Same terms, same id: the first definition stays.
insert into meterr.price_version (price_id, provider, model, match, source, context, rates)
values (%(price_id)s, %(provider)s, %(model)s, %(match)s, %(source)s, %(context)s, %(rates)s::jsonb)
on conflict do nothing;

-- name: ensure_partition
select meterr.ensure_ledger_partitions(%(day)s::date, %(day)s::date);

-- name: close_process
-- Idempotent: what went back is not there to go back again.
select meterr.close_process(%(process)s);
