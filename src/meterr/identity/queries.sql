-- Keys, as role meterr_auth: before the tenant is known, from the one view that role can read ----

-- name: read_keys
-- At most one row per MAC. A key is found by its whole MAC and by nothing else.
select mac, tenant_id::text, key_id::text, scopes, models,
       case when expires_at = '-infinity' then 0
            when isfinite(expires_at) then floor(extract(epoch from expires_at) * 1000)::bigint
       end as expires_at_ms,
       key_state, tenant_state, owner_counts, unknown_price, version, owner, time_zone, limits,
       output_tokens_default, send_output_default, networks,
       case when grace_until is null then null
            when isfinite(grace_until) then floor(extract(epoch from grace_until) * 1000)::bigint
            else 0 end as grace_until_ms
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

-- name: read_tenant
select tenant_id::text, name, state, unknown_price, time_zone,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms
  from meterr.tenant
 where tenant_id = %(tenant_id)s;

-- name: change_tenant
-- What is null stays as it is.
update meterr.tenant
   set state = coalesce(%(state)s, state),
       unknown_price = coalesce(%(unknown_price)s, unknown_price),
       time_zone = coalesce(%(time_zone)s, time_zone)
 where tenant_id = %(tenant_id)s;

-- name: share_keys
-- Before a key is made or several are changed: an emergency waits for it, or comes first.
select pg_advisory_xact_lock_shared(hashtextextended('meterr.api_key', 0));

-- name: insert_key
insert into meterr.api_key
       (tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes, models, expires_at,
        owner, owner_user_id, owner_since, output_tokens_default, send_output_default,
        networks, created_by, author)
values (%(tenant_id)s, %(key_id)s, %(name)s, %(environment)s, %(mac)s, %(pepper_id)s, %(last4)s,
        %(scopes)s, %(models)s, %(expires_at)s, %(owner)s, %(owner_user_id)s,
        %(owner_since)s, %(output_tokens_default)s, %(send_output_default)s,
        %(networks)s::text[]::cidr[], %(created_by)s, %(author)s)
returning tenant_id::text, key_id::text, name, environment, last4, scopes, models, owner, owner_user_id::text,
          output_tokens_default, send_output_default,
          case when isfinite(expires_at)
            then floor(extract(epoch from expires_at) * 1000)::bigint end as expires_at_ms, state,
          floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
          floor(extract(epoch from revoked_at) * 1000)::bigint as revoked_at_ms,
          networks::text[], pepper_id, successor_id::text, created_by::text, author, version, for_good,
          coalesce(first_key_id, key_id)::text as first_key_id,
          floor(extract(epoch from grace_until) * 1000)::bigint as grace_until_ms,
          floor(extract(epoch from due_at) * 1000)::bigint as due_at_ms;

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
       floor(extract(epoch from revoked_at) * 1000)::bigint as revoked_at_ms,
       networks::text[], pepper_id, successor_id::text, created_by::text, author, version, for_good,
       coalesce(first_key_id, key_id)::text as first_key_id,
       floor(extract(epoch from least(grace_until, due_until)) * 1000)::bigint as grace_until_ms,
       floor(extract(epoch from due_at) * 1000)::bigint as due_at_ms,
       floor(extract(epoch from last_used_at) * 1000)::bigint as last_used_at_ms
  from meterr.api_key left join meterr.key_use using (tenant_id, key_id)
 where tenant_id = %(tenant_id)s
   and (%(after)s::uuid is null or key_id < %(after)s::uuid)
 order by key_id desc
 limit %(limit)s;

-- name: find_grants
-- What a key may hand on: only while it counts itself.
select scopes, models, networks::text[],
       floor(extract(epoch from least(expires_at, grace_until, due_until)) * 1000)::bigint
         as expires_at_ms
  from meterr.api_key
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s and state = 'active'
   and coalesce(least(expires_at, grace_until, due_until) > %(now)s, true)
   for share;

-- name: revoke_key
-- A second call touches nothing, so it neither moves the time nor wakes anybody. One that an emergency
-- ended keeps that time, and nobody follows it any more.
update meterr.api_key
   set state = 'revoked', revoked_at = coalesce(revoked_at, now()), for_good = true
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s and not for_good;

-- name: end_codes
-- Whatever could still be collected for a key cannot any more.
update meterr.key_succession set code_expires_at = least(code_expires_at, now())
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s and followed_at is null;

-- name: find_key
select tenant_id::text, key_id::text, name, environment, last4, scopes, models, owner, owner_user_id::text,
       output_tokens_default, send_output_default,
       case when isfinite(expires_at)
            then floor(extract(epoch from expires_at) * 1000)::bigint end as expires_at_ms, state,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       floor(extract(epoch from revoked_at) * 1000)::bigint as revoked_at_ms,
       networks::text[], pepper_id, successor_id::text, created_by::text, author, version, for_good,
       coalesce(first_key_id, key_id)::text as first_key_id,
       floor(extract(epoch from least(grace_until, due_until)) * 1000)::bigint as grace_until_ms,
       floor(extract(epoch from due_at) * 1000)::bigint as due_at_ms,
       floor(extract(epoch from last_used_at) * 1000)::bigint as last_used_at_ms
  from meterr.api_key left join meterr.key_use using (tenant_id, key_id)
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s;

-- name: count_by_pepper
select pepper_id, keys, codes, sessions from meterr.count_by_pepper();
