-- Reading of the ledger and the price overrides. Runs as meterr_app: row-level security shows one
-- tenant's rows, and every statement names the tenant too, so that the index leads.

-- name: insert_price_override
-- Append-only. The database's clock orders overrides: "newest made wins" needs one clock.
INSERT INTO meterr.price_override
       (override_id, provider, model, context, effective_from, effective_to, rates, author, reason,
        created_at)
VALUES (%(override_id)s, %(provider)s, %(model)s, %(context)s, %(effective_from)s,
        %(effective_to)s, %(rates)s::jsonb, %(author)s, %(reason)s, clock_timestamp())
RETURNING created_at;

-- name: list_price_overrides
SELECT override_id::text, provider, model, context, effective_from, effective_to, rates::text,
       author, reason, created_at
  FROM meterr.price_override
 ORDER BY created_at, override_id;

-- name: record_upstream
INSERT INTO meterr.upstream (name, provider, openai_base_url, anthropic_base_url)
VALUES (%(name)s, %(provider)s, %(openai_base_url)s, %(anthropic_base_url)s)
    ON CONFLICT (name) DO UPDATE
   SET provider = excluded.provider, openai_base_url = excluded.openai_base_url,
       anthropic_base_url = excluded.anthropic_base_url, last_seen_at = now();

-- name: list_price_versions
SELECT price_id, provider, model, match, source, context, rates::text
  FROM meterr.price_version;

-- name: prepare_sums
-- For this transaction: groups of a month fit in memory, and nobody compiles a statement for a second
-- that runs for a tenth of one, as PostgreSQL does where it counts with every partition.
SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true);

-- name: sum_usage
-- Each instant of the period is told by one of three: the lines of its day, where no edge cuts the
-- day and none of its hours is due; else the lines of its hour, where no edge cuts that and it is not
-- due; else the raw rows. One statement, so by one snapshot: exact while the writer is at work.
-- The three have the same columns in the same order, but for the id that only raw rows have.
-- OFFSET 0 keeps the planner to one walk of an index for each day and each stretch of hours.
-- One statement also for every grouping: a dimension that is not asked for is NULL in every row and
-- groups nothing. Days and hours of the answer are places between edges made once from the zone.
WITH raw_hour AS MATERIALIZED (
  SELECT unnest(%(cut_hours)s::timestamptz[]) AS hour
  UNION
  SELECT hour FROM meterr.rollup_due
   WHERE tenant_id = %(tenant)s AND hour > %(since)s::timestamptz - interval '1 hour'
     AND hour < %(until)s
), raw_stretch AS MATERIALIZED (
  SELECT min(hour) AS starts_at, max(hour) + interval '1 hour' AS ends_at
    FROM (SELECT hour, hour - row_number() OVER (ORDER BY hour) * interval '1 hour' AS stretch
            FROM raw_hour) numbered
   GROUP BY stretch
), split_day AS MATERIALIZED (
  SELECT unnest(%(cut_days)s::timestamptz[]) AS day
  UNION
  SELECT date_bin('1 day', hour, 'epoch') FROM raw_hour
), figures (tenant_id, at) AS (
  SELECT d.*, NULL::uuid AS id
    FROM meterr.usage_day d
   WHERE d.tenant_id = %(tenant)s AND d.day >= %(since)s
     AND d.day <= %(until)s::timestamptz - interval '1 day'
     AND d.day NOT IN (SELECT day FROM split_day)
  UNION ALL
  SELECT line.*, NULL::uuid
    FROM split_day
    CROSS JOIN LATERAL (
      SELECT h.*
        FROM meterr.usage_hour h
       WHERE h.tenant_id = %(tenant)s AND h.hour >= %(since)s
         AND h.hour <= %(until)s::timestamptz - interval '1 hour'
         AND h.hour >= split_day.day AND h.hour < split_day.day + interval '1 day'
         AND h.hour NOT IN (SELECT hour FROM raw_hour)
      OFFSET 0) line
  UNION ALL
  SELECT entry.*
    FROM raw_stretch
    CROSS JOIN LATERAL (
      SELECT f.*
        FROM meterr.entry_figures f
       WHERE f.tenant_id = %(tenant)s AND f.at >= %(since)s AND f.at < %(until)s
         AND f.at >= starts_at AND f.at < ends_at
      OFFSET 0) entry
)
SELECT CASE WHEN %(by_period)s THEN width_bucket(at, %(edges)s::timestamptz[]) END AS period,
       CASE WHEN %(by_key)s THEN key_id::text END AS key,
       CASE WHEN %(by_model)s THEN model END AS model,
       CASE WHEN %(by_answered_model)s THEN answered_model END AS answered_model,
       CASE WHEN %(by_provider)s THEN provider END AS provider,
       CASE WHEN %(by_upstream)s THEN upstream END AS upstream,
       CASE WHEN %(by_surface)s THEN surface END AS surface,
       CASE WHEN %(by_state)s THEN state END AS state,
       CASE WHEN %(by_outcome)s THEN outcome END AS outcome,
       sum(calls) AS calls, sum(refused) AS refused, sum(interrupted) AS interrupted,
       sum(failed) AS failed, sum(unpriced) AS unpriced, sum(estimated) AS estimated,
       sum(partial) AS partial, sum(cost_usd) AS cost_usd, sum(input) AS input,
       sum(cache_read) AS cache_read, sum(cache_write_5m) AS cache_write_5m,
       sum(cache_write_30m) AS cache_write_30m, sum(cache_write_1h) AS cache_write_1h,
       sum(cache_write_12h) AS cache_write_12h, sum(input_audio) AS input_audio,
       sum(input_image) AS input_image, sum(output) AS output, sum(output_audio) AS output_audio,
       sum(output_image) AS output_image, sum(reasoning) AS reasoning,
       sum(web_search) AS web_search, sum(web_fetch) AS web_fetch
  FROM figures
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9
 LIMIT %(rows)s;

-- name: cut_hours_without_rows
-- Those of the hours that an edge cuts whose raw rows are gone: nobody can say what part of their
-- lines lies on which side.
SELECT u.hour
  FROM meterr.usage_hour u
  JOIN meterr.dropped_day d ON d.day = u.hour::date
 WHERE u.tenant_id = %(tenant)s AND u.hour = ANY (%(cut_hours)s::timestamptz[])
 ORDER BY u.hour
 LIMIT 1;

-- name: entries_before
-- Newest first. The cursor is the last row's own (at, id), exclusive.
SELECT id::text, at, key_id::text, surface, upstream, provider, model, answered_model, price_id,
       state, stream, status, outcome, error, estimate, usage_known, input, cache_read,
       cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, input_audio, input_image,
       output, output_audio, output_image, reasoning, web_search, web_fetch, cost_usd,
       drawn_usd, request_bytes, answer_bytes, first_byte_ms, duration_ms, provider_request_id
  FROM meterr.ledger_entry
 WHERE tenant_id = %(tenant)s AND at >= %(since)s AND at < %(until)s
   AND at <= %(cursor_at)s::timestamptz
   AND (at, id) < (%(cursor_at)s::timestamptz, %(cursor_id)s::uuid)
   AND (%(model)s::text IS NULL OR model = %(model)s)
   AND (%(key)s::uuid IS NULL OR key_id = %(key)s)
   AND (%(state)s::text IS NULL OR state = %(state)s)
   AND (NOT %(failed)s OR status >= 400)
   AND (NOT %(unpriced)s OR (cost_usd IS NULL AND state <> 'refused'
                             AND meterr.may_be_billed(ledger_entry)))
 ORDER BY at DESC, id DESC
 LIMIT %(rows)s;

-- name: entries_after
-- Oldest first, without the rows already shown: an entry arrives when its call has ended, so one
-- with an older id may come after one with a newer id.
SELECT id::text, at, key_id::text, surface, upstream, provider, model, answered_model, price_id,
       state, stream, status, outcome, error, estimate, usage_known, input, cache_read,
       cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, input_audio, input_image,
       output, output_audio, output_image, reasoning, web_search, web_fetch, cost_usd,
       drawn_usd, request_bytes, answer_bytes, first_byte_ms, duration_ms, provider_request_id
  FROM meterr.ledger_entry
 WHERE tenant_id = %(tenant)s AND at >= %(since)s AND at < %(until)s
   AND at >= %(cursor_at)s::timestamptz
   AND (at, id) > (%(cursor_at)s::timestamptz, %(cursor_id)s::uuid)
   AND id <> ALL (%(shown)s::uuid[])
   AND (%(model)s::text IS NULL OR model = %(model)s)
   AND (%(key)s::uuid IS NULL OR key_id = %(key)s)
   AND (%(state)s::text IS NULL OR state = %(state)s)
   AND (NOT %(failed)s OR status >= 400)
   AND (NOT %(unpriced)s OR (cost_usd IS NULL AND state <> 'refused'
                             AND meterr.may_be_billed(ledger_entry)))
 ORDER BY at, id
 LIMIT %(rows)s;

-- name: unknown_tenants
SELECT tenant_id::text FROM meterr.list_unknown_tenants();

-- name: unknown_price_of
SELECT unknown_price FROM meterr.tenant WHERE tenant_id = %(tenant)s;

-- name: entries_to_verify
-- Every entry of the tenant in one snapshot, in no order; read through a server-side cursor.
SELECT id::text, at, key_id::text, provider, error,
       EXISTS (SELECT FROM meterr.api_key k
                WHERE k.tenant_id = %(tenant)s AND k.key_id = ledger_entry.key_id) AS key_known,
       price_id, state, usage_known, input, cache_read, cache_write_5m,
       cache_write_30m, cache_write_1h, cache_write_12h, input_audio, input_image, output,
       output_audio, output_image, reasoning, web_search, web_fetch, cost_usd, leases,
       drawn_usd, tableoid = (SELECT partdefid FROM pg_catalog.pg_partitioned_table
                    WHERE partrelid = 'meterr.ledger_entry'::regclass) AS unpartitioned
  FROM meterr.ledger_entry
 WHERE tenant_id = %(tenant)s;

-- name: repeated_ids
-- Which of these ids stand in the ledger more than once.
SELECT id::text
  FROM meterr.ledger_entry
 WHERE tenant_id = %(tenant)s AND id = ANY (%(ids)s::uuid[])
 GROUP BY id
HAVING count(*) > 1;

-- name: next_hour
-- The first hour from this one on in which there is anything: a raw row, a line, or a day's line.
SELECT least(
         (SELECT date_bin('1 hour', at, 'epoch') FROM meterr.ledger_entry
           WHERE tenant_id = %(tenant)s AND at >= %(from)s ORDER BY at LIMIT 1),
         (SELECT hour FROM meterr.usage_hour
           WHERE tenant_id = %(tenant)s AND hour >= %(from)s ORDER BY hour LIMIT 1),
         (SELECT day FROM meterr.usage_day
           WHERE tenant_id = %(tenant)s AND day >= %(from)s ORDER BY day LIMIT 1)) AS hour;

-- name: compare_hour
-- One row where the lines of the hour are not the sums of its raw rows, group by group; none where
-- they are, where the hour is due, and where retention dropped the rows.
WITH raw AS (
  SELECT *
    FROM meterr.sum_entries(%(tenant)s, %(hour)s, %(hour)s::timestamptz + interval '1 hour', '1 hour')
), lines AS (
  SELECT *
    FROM meterr.sum_lines('hours', %(tenant)s, %(hour)s,
                          %(hour)s::timestamptz + interval '1 hour', '1 hour')
), difference AS (
  (SELECT * FROM raw EXCEPT SELECT * FROM lines)
  UNION ALL (SELECT * FROM lines EXCEPT SELECT * FROM raw)
)
SELECT (SELECT sum(calls) FROM raw) AS raw_calls, (SELECT sum(cost_usd) FROM raw) AS raw_cost_usd,
       (SELECT sum(calls) FROM lines) AS calls, (SELECT sum(cost_usd) FROM lines) AS cost_usd
 WHERE EXISTS (SELECT FROM difference)
   AND NOT EXISTS (SELECT FROM meterr.rollup_due
                    WHERE tenant_id = %(tenant)s AND hour = %(hour)s)
   AND NOT EXISTS (SELECT FROM meterr.dropped_day WHERE day = %(hour)s::date);

-- name: compare_day
-- One row where the lines of the day are not the sums of its hours' lines.
WITH hours AS (
  SELECT *
    FROM meterr.sum_lines('hours', %(tenant)s, %(day)s,
                          %(day)s::timestamptz + interval '1 day', '1 day')
), lines AS (
  SELECT *
    FROM meterr.sum_lines('days', %(tenant)s, %(day)s,
                          %(day)s::timestamptz + interval '1 day', '1 day')
), difference AS (
  (SELECT * FROM hours EXCEPT SELECT * FROM lines)
  UNION ALL (SELECT * FROM lines EXCEPT SELECT * FROM hours)
)
SELECT (SELECT sum(calls) FROM hours) AS raw_calls,
       (SELECT sum(cost_usd) FROM hours) AS raw_cost_usd,
       (SELECT sum(calls) FROM lines) AS calls, (SELECT sum(cost_usd) FROM lines) AS cost_usd
 WHERE EXISTS (SELECT FROM difference);

-- name: leases_to_verify
-- Living leases of budgets whose windows have lost no row to retention.
SELECT l.lease_id, l.spent
  FROM meterr.limit_lease l
  JOIN meterr.limit_rule r USING (tenant_id, limit_id)
 WHERE l.tenant_id = %(tenant)s AND r.measure = 'usd'
   AND NOT EXISTS (SELECT FROM meterr.dropped_day d WHERE d.day >= l.starts_at::date)
 ORDER BY l.lease_id;

-- name: pools_to_verify
-- Windows of budgets: what each says of itself, and what its leases say.
SELECT p.limit_id::text, p.starts_at, p.taken, p.spent,
       p.seeded + p.closed + coalesce(sum(l.granted - l.returned), 0) AS should_be_taken,
       p.seeded + p.closed + coalesce(sum(l.spent), 0) AS should_be_spent
  FROM meterr.limit_pool p
  JOIN meterr.limit_rule r USING (tenant_id, limit_id)
  LEFT JOIN meterr.limit_lease l USING (tenant_id, limit_id, starts_at)
 WHERE p.tenant_id = %(tenant)s AND r.measure = 'usd'
 GROUP BY p.tenant_id, p.limit_id, p.starts_at
 ORDER BY p.limit_id, p.starts_at;

-- name: ledger_cost
SELECT meterr.ledger_cost(%(tenant)s, %(holder)s, %(subject)s, %(model)s, %(since)s, %(until)s) AS usd;
