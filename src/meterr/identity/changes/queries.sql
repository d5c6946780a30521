-- As role meterr_app, in a tenant's transaction ---------------------------------------------------

-- name: lock_key
-- Whoever waited here reads the key in a later statement: this one still sees what was before.
select key_id from meterr.api_key
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s
   for update;

-- name: change_terms
-- Null when the key has another version, or has ended, since it was looked at.
select meterr.change_key_terms(
         %(key_id)s, %(seen)s, %(name)s, %(scopes)s, %(models)s,
         %(networks)s::text[]::cidr[], %(expires_at)s) as version;

-- name: list_made
-- Keys that count and that some keys have made, or a key of their making; also by way of one that ended.
with recursive made as (
  select key_id from meterr.api_key
   where tenant_id = %(tenant_id)s and created_by = any(%(key_ids)s::uuid[])
  union
  select k.key_id from made m
    join meterr.api_key k on k.tenant_id = %(tenant_id)s and k.created_by = m.key_id
)
select k.key_id::text from made m
  join meterr.api_key k on k.tenant_id = %(tenant_id)s and k.key_id = m.key_id
 where k.state = 'active'
 order by k.key_id;

-- name: revoke_made
-- One round, in the order in which locks are taken. Those that an emergency has ended get no successor,
-- either.
with recursive made as (
  select key_id from meterr.api_key
   where tenant_id = %(tenant_id)s and created_by = any(%(key_ids)s::uuid[])
  union
  select k.key_id from made m
    join meterr.api_key k on k.tenant_id = %(tenant_id)s and k.created_by = m.key_id
), mine as materialized (
  select k.key_id from made m
    join meterr.api_key k on k.tenant_id = %(tenant_id)s and k.key_id = m.key_id
   where not k.for_good
   order by k.key_id
     for update of k
)
update meterr.api_key k
   set state = 'revoked', revoked_at = coalesce(k.revoked_at, now()), for_good = true
  from mine
 where k.tenant_id = %(tenant_id)s and k.key_id = mine.key_id and not k.for_good
returning k.key_id::text;

-- name: list_of_author
-- With successors that somebody was shown, or had the code for, of keys that others asked for.
select k.key_id::text from meterr.api_key k
 where k.tenant_id = %(tenant_id)s and k.state = 'active'
   and (k.author = %(author)s or k.key_id in (
          select s.successor_id from meterr.key_succession s
           where s.tenant_id = %(tenant_id)s and s.author = %(author)s
             and s.followed_at is not null))
 order by k.key_id;

-- name: revoke_of_author
with mine as materialized (
  select k.key_id from meterr.api_key k
   where k.tenant_id = %(tenant_id)s and not k.for_good
     and (k.author = %(author)s or k.key_id in (
            select s.successor_id from meterr.key_succession s
             where s.tenant_id = %(tenant_id)s and s.author = %(author)s
               and s.followed_at is not null))
   order by k.key_id
     for update of k
)
update meterr.api_key k
   set state = 'revoked', revoked_at = coalesce(k.revoked_at, now()), for_good = true
  from mine
 where k.tenant_id = %(tenant_id)s and k.key_id = mine.key_id and not k.for_good
returning k.key_id::text;

-- name: end_codes_of_author
with mine as materialized (
  select successor_id from meterr.key_succession
   where tenant_id = %(tenant_id)s and author = %(author)s and followed_at is null
   order by key_id
     for update
)
update meterr.key_succession s set code_expires_at = least(s.code_expires_at, now())
  from mine
 where s.tenant_id = %(tenant_id)s and s.successor_id = mine.successor_id
   and s.followed_at is null;

-- name: end_codes
update meterr.key_succession set code_expires_at = least(code_expires_at, now())
 where tenant_id = %(tenant_id)s and key_id = any(%(key_ids)s::uuid[]) and followed_at is null;
