-- name: count_entries
-- Rows of one tenant that are the end of a call which left for the upstream.
SELECT count(*) FROM meterr.ledger_entry WHERE state <> 'refused';

-- name: tenants
SELECT tenant_id::text FROM meterr.list_tenants();
