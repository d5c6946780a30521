-- As role meterr_app, for keys of any tenant: each is one function of the schema ------------------

-- name: move_keys
select meterr.move_keys_to_pepper(%(found)s::bytea[], %(new)s::bytea[], %(pepper_id)s) as moved;

-- name: record_uses
select meterr.record_key_uses(
  %(tenants)s::uuid[], %(keys)s::uuid[], %(times)s::timestamptz[]);

-- name: record_callers
select meterr.record_key_callers(
  %(tenants)s::uuid[], %(keys)s::uuid[], %(addresses)s::inet[], %(agents)s::text[],
  %(counts)s::bigint[], %(times)s::timestamptz[]);

-- name: list_callers
select case when address <> '::' then host(address) end as address, user_agent, calls,
       floor(extract(epoch from first_at) * 1000)::bigint as first_at_ms,
       floor(extract(epoch from last_at) * 1000)::bigint as last_at_ms
  from meterr.key_caller
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s
 order by last_at desc, address, user_agent;
