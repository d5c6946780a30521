-- Signing keys, as role meterr_app in the transaction of the nil id --------------------------------

-- name: lock_signing_keys
-- Rotations take turns. The number is ours: 'signing' in ASCII.
select pg_advisory_xact_lock(32485443371036263);

-- name: list_signing_keys
select kid, state, floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       floor(extract(epoch from accepted_to) * 1000)::bigint as accepted_to_ms
  from meterr.signing_key
 where tenant_id = %(tenant_id)s
 order by array_position(array['gone', 'previous', 'current', 'next'], state), created_at, kid;

-- name: read_current_key
select kid, secret
  from meterr.signing_key
 where tenant_id = %(tenant_id)s and state = 'current';

-- name: hold_current_key
-- Until the transaction ends no rotation seals it anew, so its data key cannot retire before it opens.
select kid, secret
  from meterr.signing_key
 where tenant_id = %(tenant_id)s and state = 'current'
   for key share;

-- name: insert_signing_key
insert into meterr.signing_key (tenant_id, kid, state, public_key, secret, created_at)
values (%(tenant_id)s, %(kid)s, %(state)s, %(public_key)s, %(secret)s, %(created_at)s);

-- name: stop_signing
-- Of a key that signs or will; its secret goes with it.
update meterr.signing_key set state = %(state)s, secret = null, accepted_to = %(accepted_to)s
 where tenant_id = %(tenant_id)s and state = %(was)s;

-- name: begin_signing
update meterr.signing_key set state = 'current'
 where tenant_id = %(tenant_id)s and state = 'next';

-- name: retire_signing_keys
update meterr.signing_key set state = 'gone', accepted_to = least(accepted_to, %(now)s)
 where tenant_id = %(tenant_id)s and state = 'previous'
   and (%(all)s or accepted_to <= %(now)s);

-- All that follows runs as role meterr_identity ----------------------------------------------------

-- name: read_verifying_keys
select kid, state, public_key,
       floor(extract(epoch from accepted_to) * 1000)::bigint as accepted_to_ms
  from meterr.verifying_key;

-- name: read_session
-- One statement, so one snapshot: the session, the account, and its roles in tenants that count.
select s.session_id::text, s.user_id::text,
       floor(extract(epoch from s.factor_at) * 1000)::bigint as factor_at_ms,
       floor(extract(epoch from s.created_at) * 1000)::bigint as created_at_ms,
       floor(extract(epoch from s.ends_at) * 1000)::bigint as ends_at_ms,
       s.ended_at is null and u.state = 'active' as lives,
       (select coalesce(json_object_agg(r.tenant_id, r.role), '{}')
          from meterr.role_for_authentication r
         where r.user_id = s.user_id and r.tenant_state = 'active') as roles,
       array(select r.tenant_id::text from meterr.role_for_authentication r
              where r.user_id = s.user_id) as tenants
  from meterr.user_session s
  join meterr.user_account u using (user_id)
 where s.session_id = %(session_id)s;

-- name: find_marks
-- Before a password is looked at: what it and the factors are now. One row or none, at one cost.
select u.user_id::text, u.credentials_changed_at as credentials_at, p.changed_at as password_at
  from meterr.user_account u
  left join meterr.user_password p using (user_id)
 where u.email = %(email)s;

-- name: lock_person
-- Shared: sign-ins of one person do not wait for each other, but changes of their credentials do, and
-- the other way round. Always before a lock on a session.
select state = 'active' as active, credentials_changed_at as credentials_at
  from meterr.user_account
 where user_id = %(user_id)s
   for share;

-- name: password_at
select changed_at from meterr.user_password where user_id = %(user_id)s;

-- name: passkey_counts
select exists (select from meterr.passkey
                where user_id = %(user_id)s and ended_at is null and last_used_at >= %(used_at)s)
       as counts;

-- name: insert_session
insert into meterr.user_session
       (session_id, user_id, factor_at, address, user_agent, created_at, seen_at, ends_at,
        refresh_digest, pepper_id)
values (%(session_id)s, %(user_id)s, %(factor_at)s, %(address)s, %(user_agent)s, %(created_at)s,
        %(seen_at)s, %(ends_at)s, %(refresh_digest)s, %(pepper_id)s);

-- name: end_surplus
update meterr.user_session set ended_at = %(now)s, ended_because = 'too_many'
 where user_id = %(user_id)s and ended_at is null and session_id not in (
         select session_id from meterr.user_session
          where user_id = %(user_id)s and ended_at is null
          order by created_at desc, session_id desc limit %(kept)s);

-- name: lock_family
select s.session_id::text, s.user_id::text,
       floor(extract(epoch from s.factor_at) * 1000)::bigint as factor_at_ms,
       floor(extract(epoch from s.seen_at) * 1000)::bigint as seen_at_ms,
       floor(extract(epoch from s.ends_at) * 1000)::bigint as ends_at_ms,
       s.generation, s.refresh_digest, s.previous_digest, s.salt,
       floor(extract(epoch from s.rotated_at) * 1000)::bigint as rotated_at_ms,
       s.ended_at is not null as ended, u.state = 'active' as user_active
  from meterr.user_session s
  join meterr.user_account u using (user_id)
 where s.session_id = %(session_id)s
   for update of s;

-- name: rotate_family
update meterr.user_session
   set generation = generation + 1, previous_digest = refresh_digest,
       refresh_digest = %(refresh_digest)s, pepper_id = %(pepper_id)s, salt = %(salt)s,
       rotated_at = %(now)s,
       seen_at = %(now)s, address = %(address)s, user_agent = %(user_agent)s
 where session_id = %(session_id)s;

-- name: move_session
-- Where an answer went that was given once more.
update meterr.user_session set address = %(address)s, user_agent = %(user_agent)s
 where session_id = %(session_id)s and address <> %(address)s;

-- name: end_session
-- Only of this person: an id of somebody else's session is one that does not exist.
update meterr.user_session set ended_at = %(now)s, ended_because = %(because)s
 where session_id = %(session_id)s and user_id = %(user_id)s and ended_at is null;

-- name: end_sessions_of
update meterr.user_session set ended_at = %(now)s, ended_because = %(because)s
 where user_id = %(user_id)s and ended_at is null
   and session_id is distinct from %(but)s::uuid;

-- name: end_everybodys
update meterr.user_session set ended_at = %(now)s, ended_because = 'ended'
 where ended_at is null;

-- name: list_sessions
select session_id::text, address, user_agent,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       floor(extract(epoch from seen_at) * 1000)::bigint as seen_at_ms,
       floor(extract(epoch from factor_at) * 1000)::bigint as factor_at_ms,
       floor(extract(epoch from ends_at) * 1000)::bigint as ends_at_ms
  from meterr.user_session
 where user_id = %(user_id)s and ended_at is null and ends_at > %(now)s and seen_at > %(idle)s
 order by seen_at desc, session_id desc;

-- name: is_member
select exists (select from meterr.role_for_authentication
                where user_id = %(user_id)s and tenant_id = %(tenant_id)s) as member;

-- name: is_member_elsewhere
-- Somewhere else that counts: a tenant that is not disabled, or the platform.
select exists (select from meterr.role_for_authentication
                where user_id = %(user_id)s and tenant_id <> %(tenant_id)s
                  and tenant_state = 'active') as elsewhere;

-- name: insert_challenge
insert into meterr.sign_in_challenge
       (digest, user_id, owes, credentials_at, password_at, created_at, expires_at)
values (%(digest)s, %(user_id)s, %(owes)s, %(credentials_at)s, %(password_at)s, %(created_at)s,
        %(expires_at)s);

-- name: find_challenge
select digest, user_id::text, owes, credentials_at, password_at,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms
  from meterr.sign_in_challenge
 where digest = %(digest)s and used_at is null and expires_at > %(now)s;

-- name: use_challenge
-- Of any number of attempts at the same time, one finds it unused.
update meterr.sign_in_challenge set used_at = %(now)s
 where digest = %(digest)s and used_at is null and expires_at > %(now)s;

-- name: prune_sessions
select meterr.prune_sessions(%(at_ms)s) as pruned;
