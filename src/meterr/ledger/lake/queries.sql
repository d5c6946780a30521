-- Reading of closed days for the export. Runs as meterr_app, one tenant a transaction.

-- name: days_with_partition
-- The UTC days that the ledger has a partition for; the default partition has no bounds.
SELECT found.day
  FROM (SELECT substring(pg_get_expr(c.relpartbound, c.oid)
                         FROM $$FROM \('([0-9]{4}-[0-9]{2}-[0-9]{2}) $$)::date AS day
          FROM pg_catalog.pg_inherits i
          JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'meterr.ledger_entry'::regclass) AS found
 WHERE found.day >= %(since)s AND found.day < %(until)s
 ORDER BY found.day;

-- name: figures_by_day
-- Sums of bigint are numeric: no count overflows.
SELECT (at AT TIME ZONE 'UTC')::date AS day, count(*) AS entries,
       coalesce(sum(cost_usd), 0) AS cost_usd,
       sum(input) + sum(cache_read) + sum(cache_write_5m) + sum(cache_write_30m)
       + sum(cache_write_1h) + sum(cache_write_12h) + sum(input_audio) + sum(input_image)
       + sum(output) + sum(output_audio) + sum(output_image) AS tokens
  FROM meterr.ledger_entry
 WHERE tenant_id = %(tenant)s AND at >= %(since)s AND at < %(until)s
 GROUP BY 1
 ORDER BY 1;

-- name: copy_page
-- One page of a tenant's day, by the order of the primary key; column order is that of
-- columns.COLUMNS. CSV tells no value (nothing) from an empty text (quoted nothing). `leases` stays
-- here: what it points to lives shorter than the export.
COPY (
  SELECT tenant_id, id, (extract(epoch FROM at) * 1000000)::bigint, key_id, surface, upstream,
         provider, model, answered_model, price_id, state, stream, status, outcome, error, estimate,
         usage_known, input, cache_read, cache_write_5m, cache_write_30m, cache_write_1h,
         cache_write_12h, input_audio, input_image, output, output_audio, output_image, reasoning,
         web_search, web_fetch, cost_usd, request_bytes, answer_bytes, first_byte_ms, duration_ms,
         provider_request_id, drawn_usd
    FROM meterr.ledger_entry
   WHERE tenant_id = %(tenant)s AND at >= %(since)s AND at < %(until)s
     AND (id, at) > (%(after_id)s::uuid,
                     timestamptz 'epoch' + %(after_us)s * interval '1 microsecond')
   ORDER BY id, at
   LIMIT %(rows)s
) TO STDOUT (FORMAT csv);
