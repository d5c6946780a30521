-- As role meterr_app, in a tenant's transaction ---------------------------------------------------

-- name: lock_key
-- Whoever waited here reads the key in a later statement: this one still sees what was before.
select key_id::text from meterr.api_key
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s
   for update;

-- name: successor_counts
select exists (
  select from meterr.api_key k
    join meterr.api_key s on s.tenant_id = k.tenant_id and s.key_id = k.successor_id
   where k.tenant_id = %(tenant_id)s and k.key_id = %(key_id)s and s.state = 'active') as counts;

-- name: insert_successor
-- The same terms under a new secret. It never lasts longer, and draws from the limits of its line.
insert into meterr.api_key
       (tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes, models, expires_at,
        owner, owner_user_id, owner_since, output_tokens_default, send_output_default, networks,
        created_by, author, first_key_id)
select k.tenant_id, %(successor_id)s, k.name, k.environment, %(mac)s, %(pepper_id)s, %(last4)s,
       k.scopes, k.models, k.expires_at, k.owner, k.owner_user_id, k.owner_since,
       k.output_tokens_default, k.send_output_default, k.networks, k.created_by, k.author,
       coalesce(k.first_key_id, k.key_id)
  from meterr.api_key k
 where k.tenant_id = %(tenant_id)s and k.key_id = %(key_id)s;

-- name: replace_key
-- Touches the key once, so every process reads it once again.
update meterr.api_key
   set successor_id = %(successor_id)s,
       grace_until = %(grace_until)s,
       due_at = null, due_until = null,
       state = case when %(revoked)s then 'revoked' else state end,
       revoked_at = case when %(revoked)s then coalesce(revoked_at, now()) else revoked_at end
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s;

-- name: insert_succession
insert into meterr.key_succession
       (tenant_id, successor_id, key_id, kind, reason, author, grace, followed_at)
values (%(tenant_id)s, %(successor_id)s, %(key_id)s, 'asked', %(reason)s, %(author)s, %(grace)s,
        now());

-- Codes --------------------------------------------------------------------------------------------

-- name: list_struck
-- Keys that an emergency ended and nobody followed yet, in the order of their ids. None that somebody
-- revoked besides: that was meant for this key.
select key_id::text, name, owner, last4, interval '0' as grace
  from meterr.api_key
 where tenant_id = %(tenant_id)s and emergency_id = %(emergency_id)s and successor_id is null
   and not for_good
   and (expires_at is null or expires_at > %(now)s)
   and (%(after)s::uuid is null or key_id > %(after)s::uuid)
 order by key_id
 limit %(limit)s;

-- name: list_due
-- Keys that their policy wants replaced and nobody followed yet.
select k.key_id::text, k.name, k.owner, k.last4,
       greatest(least(k.grace_until, k.due_until) - k.due_at, '0') as grace
  from meterr.api_key k
 where k.tenant_id = %(tenant_id)s and k.due_at is not null and k.successor_id is null
   and k.state = 'active' and least(k.grace_until, k.due_until) > %(now)s
   and (%(after)s::uuid is null or k.key_id > %(after)s::uuid)
 order by k.key_id
 limit %(limit)s;

-- name: put_codes
-- A key that awaits its successor already gets a new code and keeps the id. What the new code is for
-- decides: a key that was due and that an emergency ended is followed as one of the emergency.
insert into meterr.key_succession as s
       (tenant_id, successor_id, key_id, kind, reason, author, made_by, code_mac, pepper_id,
        code_expires_at, grace)
select %(tenant_id)s, n.successor_id, n.key_id, %(kind)s, %(reason)s, %(author)s, %(made_by)s::uuid,
       n.code_mac, %(pepper_id)s, %(expires_at)s, n.grace
  from unnest(%(successors)s::uuid[], %(keys)s::uuid[], %(macs)s::bytea[], %(graces)s::interval[])
         as n (successor_id, key_id, code_mac, grace)
on conflict (tenant_id, key_id) where followed_at is null do update
   set kind = excluded.kind, code_mac = excluded.code_mac, pepper_id = excluded.pepper_id,
       code_expires_at = excluded.code_expires_at, reason = excluded.reason,
       author = excluded.author, made_by = excluded.made_by, grace = excluded.grace
returning s.key_id::text, s.successor_id::text;

-- name: find_succession
select tenant_id::text, successor_id::text from meterr.find_succession(%(macs)s::bytea[]);

-- name: awaiting_key
select key_id::text from meterr.key_succession
 where tenant_id = %(tenant_id)s and successor_id = %(successor_id)s and followed_at is null;

-- name: use_code
-- At most once: a second one waits for the first and finds it followed. Codes that are ended early end by
-- the clock of PostgreSQL, which %(now)s may be behind.
update meterr.key_succession set followed_at = now()
 where tenant_id = %(tenant_id)s and successor_id = %(successor_id)s
   and code_mac = any(%(macs)s::bytea[]) and followed_at is null
   and code_expires_at > greatest(%(now)s, clock_timestamp())
returning kind, grace, made_by::text;

-- name: role_of_member
-- After the code was used: a statement that waited for its row still sees what was before.
select meterr.role_of_member(%(user_id)s) as role;

-- Emergencies ---------------------------------------------------------------------------------------

-- name: revoke_every_key
select tenant_id::text, keys, codes
  from meterr.revoke_every_key(
    %(tenant_id)s, %(emergency_id)s, %(reason)s, %(author)s, %(grace)s);

-- name: count_struck
-- What revoke_every_key() would end, as it counts.
select (select count(*) from meterr.api_key
         where tenant_id = %(tenant_id)s and state = 'active') as keys,
       (select count(*) from meterr.key_succession
         where tenant_id = %(tenant_id)s and followed_at is null and code_expires_at > now()) as codes;

-- name: find_emergency
select keys from meterr.key_emergency
 where tenant_id = %(tenant_id)s and emergency_id = %(emergency_id)s;

-- Policies ------------------------------------------------------------------------------------------

-- name: has_tenant
select exists (select from meterr.tenant where tenant_id = %(tenant_id)s) as present;

-- name: line_of_key
select coalesce(first_key_id, key_id)::text as first_key_id from meterr.api_key
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s;

-- name: put_policy
insert into meterr.key_policy (tenant_id, key_id, max_age, notice, grace, author)
values (%(tenant_id)s, %(key_id)s, %(max_age)s, %(notice)s, %(grace)s, %(author)s)
on conflict (tenant_id, key_id) do update
   set max_age = excluded.max_age, notice = excluded.notice, grace = excluded.grace,
       author = excluded.author, changed_at = now(), ended_at = null;

-- name: end_policy
update meterr.key_policy set ended_at = now(), author = %(author)s, changed_at = now()
 where tenant_id = %(tenant_id)s and key_id = %(key_id)s and ended_at is null;

-- name: list_policies
select nullif(key_id, '00000000-0000-0000-0000-000000000000')::text as key_id, max_age, notice,
       grace, author
  from meterr.key_policy
 where tenant_id = %(tenant_id)s and ended_at is null
 order by key_id nulls first;

-- name: forget_due
-- A policy that changed or ended is asked again about the keys that it had told. Those that ended by
-- it have ended.
update meterr.api_key set due_at = null, due_until = null
 where tenant_id = %(tenant_id)s and due_at is not null and successor_id is null
   and emergency_id is null and state = 'active' and due_until > %(now)s
   and %(key_id)s::uuid in (
     '00000000-0000-0000-0000-000000000000', coalesce(first_key_id, key_id));

-- name: take_turn
-- One process at a time, until its transaction ends; nobody waits.
select pg_try_advisory_xact_lock(hashtextextended('meterr.key_policy ' || %(tenant_id)s, 0)) as mine;

-- name: mark_due
-- Notice comes first, also for keys that were too old before there was a policy; and a key's own
-- policy comes before the tenant's.
with due as (
  select k.tenant_id, k.key_id, p.due_at,
         least(p.due_at + p.grace, k.expires_at, k.grace_until) as ends_at
    from meterr.api_key k
    cross join lateral (
      select greatest(k.created_at + r.max_age, %(now)s::timestamptz + r.notice) as due_at,
             r.notice, r.grace, k.created_at + r.max_age - r.notice as told_at
        from meterr.key_policy r
       where r.tenant_id = k.tenant_id and r.ended_at is null
         and r.key_id in (coalesce(k.first_key_id, k.key_id),
                          '00000000-0000-0000-0000-000000000000')
       order by r.key_id desc
       limit 1) p
   where k.tenant_id = %(tenant_id)s and k.state = 'active' and k.due_at is null
     and k.successor_id is null and p.told_at <= %(now)s
     and coalesce(least(k.expires_at, k.grace_until) > %(now)s, true)
     for update of k skip locked
)
update meterr.api_key k set due_at = due.due_at, due_until = due.ends_at
  from due
 where k.tenant_id = due.tenant_id and k.key_id = due.key_id
returning k.tenant_id::text, k.key_id::text, k.name, k.owner, k.last4,
          floor(extract(epoch from k.due_at) * 1000)::bigint as due_at_ms,
          floor(extract(epoch from least(k.grace_until, k.due_until)) * 1000)::bigint
            as grace_until_ms;
