-- Keys, as role meterr_auth: before the tenant is known, from the one view that role can read ----

-- name: read_keys
-- At most one row per MAC. A key is found by its whole MAC and by nothing else.
select mac, tenant_id::text, key_id::text, scopes, models,
       case when expires_at = '-infinity' then 0
            when isfinite(expires_at) then floor(extract(epoch from expires_at) * 1000)::bigint
       end as expires_at_ms,
       key_state, tenant_state, owner_counts, unknown_price, version, owner, time_zone, limits,
       output_tokens_default, send_output_default
  from meterr.key_for_authentication
 where mac = any(%(macs)s::bytea[]);

-- name: listen
-- Twice: the channel of all changes, and the one that only our own heartbeat uses.
listen {channel};

-- name: beat
select pg_notify(%(channel)s, %(payload)s);

-- Tenants and keys, as role meterr_app; tenant_id is also what row-level security compares --------

-- name: insert_tenant
insert into meterr.tenant (tenant_id, name, unknown_price, time_zone)
values (%(tenant_id)s, %(name)s, %(unknown_price)s, %(time_zone)s);

-- name: list_tenants
select tenant_id::text, name, state, unknown_price, time_zone,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms
  from meterr.list_tenants()
 order by created_at, tenant_id;

-- name: find_tenant
select tenant_id::text, name, state, unknown_price, time_zone,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms
  from meterr.list_tenants()
 where name = %(name)s;

-- name: change_tenant
-- What is null stays as it is.
update meterr.tenant
   set state = coalesce(%(state)s, state),
       unknown_price = coalesce(%(unknown_price)s, unknown_price),
       time_zone = coalesce(%(time_zone)s, time_zone)
 where tenant_id = %(tenant_id)s;

-- name: insert_key
insert into meterr.api_key
       (tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes, models, expires_at,
        owner, owner_user_id, owner_since, output_tokens_default, send_output_default)
values (%(tenant_id)s, %(key_id)s, %(name)s, %(environment)s, %(mac)s, %(pepper_id)s, %(last4)s,
        %(scopes)s, %(models)s, %(expires_at)s, %(owner)s, %(owner_user_id)s,
        %(owner_since)s, %(output_tokens_default)s, %(send_output_default)s)
returning tenant_id::text, key_id::text, name, environment, last4, scopes, models, owner, owner_user_id::text,
          output_tokens_default, send_output_default,
          case when isfinite(expires_at)
            then floor(extract(epoch from expires_at) * 1000)::bigint end as expires_at_ms, state,
          floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
          floor(extract(epoch from revoked_at) * 1000)::bigint as revoked_at_ms;

-- name: member_since
select created_at
  from meterr.membership
 where tenant_id = %(tenant_id)s and user_id = %(user_id)s and ended_at is null;

-- name: list_keys
-- Newest first: ids are UUIDv7. `after` is the last id of the page before, or null.
select tenant_id::text, key_id::text, name, environment, last4, scopes, models, owner, owner_user_id::text,
       output_tokens_default, send_output_default,
       case when isfinite(expires_at)
            then floor(extract(epoch from expires_at) * 1000)::bigint end as expires_at_ms, state,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       floor(extract(epoch from revoked_at) * 1000)::bigint as revoked_at_ms
  from meterr.api_key
 where tenant_id = %(tenant_id)s
   and (%(after)s::uuid is null or key_id < %(after)s::uuid)
 order by key_id desc
 limit %(limit)s;

-- name: revoke_key
-- Touches the row only if it is not revoked yet, so a second call neither moves its time nor wakes
-- anybody.
update meterr.api_key set state = 'revoked', revoked_at = now()
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s and state <> 'revoked';

-- name: find_key
select tenant_id::text, key_id::text, name, environment, last4, scopes, models, owner, owner_user_id::text,
       output_tokens_default, send_output_default,
       case when isfinite(expires_at)
            then floor(extract(epoch from expires_at) * 1000)::bigint end as expires_at_ms, state,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       floor(extract(epoch from revoked_at) * 1000)::bigint as revoked_at_ms
  from meterr.api_key
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s;
