-- name: count_entries
-- Rows of one tenant that are the end of a call which left for the upstream.
SELECT count(*) FROM meterr.ledger_entry WHERE state <> 'refused';

-- name: tenants
SELECT tenant_id::text FROM meterr.list_tenants();

-- name: ensure_partition
SELECT meterr.ensure_ledger_partitions(%(day)s::date, %(day)s::date);

-- name: open_partition
-- Forced row-level security holds the owner too, and no COPY goes through it.
ALTER TABLE meterr.ledger_entry_{day} NO FORCE ROW LEVEL SECURITY;

-- name: close_partition
ALTER TABLE meterr.ledger_entry_{day} FORCE ROW LEVEL SECURITY;

-- name: copy_entries
COPY meterr.ledger_entry_{day}
     (tenant_id, id, at, key_id, surface, upstream, provider, model, state, status, outcome,
      usage_known, input, output, cost_usd)
FROM STDIN;

-- name: analyze_entries
ANALYZE meterr.ledger_entry;

-- name: mark_day
-- What the trigger does for every other way in.
INSERT INTO meterr.rollup_due (tenant_id, hour)
SELECT tenant_id, hour
  FROM unnest(%(tenants)s::uuid[]) AS tenant_id,
       generate_series(%(day)s::timestamptz, %(day)s::timestamptz + interval '23 hours',
                       interval '1 hour') AS hour;

-- name: due_hours
SELECT count(DISTINCT hour) FROM meterr.rollup_due WHERE hour < now() - interval '2 hours';

-- name: drop_day
SELECT meterr.drop_ledger_day(%(before)s::date);

-- name: fill_keys
-- Keys whose texts nobody knows: only their number matters.
INSERT INTO meterr.api_key
       (tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes)
SELECT %(tenant_id)s, gen_random_uuid(), 'key ' || n, 'live',
       sha256(convert_to('bench ' || n, 'UTF8')), 'bench', 'abcd', '{chat}'
  FROM generate_series(%(first)s::int, %(last)s::int) AS n;
