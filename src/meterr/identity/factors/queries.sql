-- Runs as role meterr_identity ------------------------------------------------------------------

-- name: enrolled
select exists (select from meterr.totp_factor f where f.user_id = u.user_id and f.state = 'active')
         as totp,
       (select count(*) from meterr.passkey k where k.user_id = u.user_id and k.ended_at is null)
         as passkeys,
       coalesce((select cardinality(r.digests) from meterr.recovery_codes r
                  where r.user_id = u.user_id), 0) as recovery_codes,
       coalesce((select p.short from meterr.user_password p where p.user_id = u.user_id), false)
         as short_password
  from meterr.user_account u
 where u.user_id = %(user_id)s;

-- name: lock_account
-- Of two changes of one person's factors, the second sees what the first left.
select pg_advisory_xact_lock(hashtextextended('meterr factors ' || %(user_id)s::text, 0));

-- name: begin_totp
-- In the place of one that was not confirmed: however often somebody begins, it is one row.
insert into meterr.totp_factor (user_id, factor_id, sealed)
values (%(user_id)s, %(factor_id)s, %(sealed)s)
on conflict (user_id, state) where state <> 'ended'
do update set factor_id = excluded.factor_id, sealed = excluded.sealed, created_at = now();

-- name: find_totp
-- Until the transaction ends no rotation seals it anew, so its data key cannot retire before it opens.
select factor_id::text, sealed
  from meterr.totp_factor
 where user_id = %(user_id)s and state = %(state)s
   for key share;

-- name: end_totp
update meterr.totp_factor set state = 'ended', sealed = null
 where user_id = %(user_id)s and state = %(state)s;

-- name: end_all_totp
update meterr.totp_factor set state = 'ended', sealed = null
 where user_id = %(user_id)s and state <> 'ended';

-- name: activate_totp
update meterr.totp_factor set state = 'active', last_step = %(step)s
 where user_id = %(user_id)s and factor_id = %(factor_id)s and state = 'pending';

-- name: use_totp_step
-- Of any number of uses of one code at the same time, one finds the step unused.
update meterr.totp_factor set last_step = %(step)s
 where user_id = %(user_id)s and factor_id = %(factor_id)s and state = 'active'
   and last_step < %(step)s;

-- name: replace_recovery_codes
insert into meterr.recovery_codes (user_id, digests)
values (%(user_id)s, %(digests)s)
on conflict (user_id) do update set digests = excluded.digests, made_at = now();

-- name: end_recovery_codes
-- The time tells it from the use of the last one.
update meterr.recovery_codes set digests = '{}', made_at = clock_timestamp()
 where user_id = %(user_id)s and cardinality(digests) > 0;

-- name: use_recovery_code
-- As above: the row is locked, and a digest that is gone is not found by whoever waited.
update meterr.recovery_codes set digests = array_remove(digests, %(digest)s::bytea)
 where user_id = %(user_id)s and %(digest)s::bytea = any(digests)
returning cardinality(digests) as codes_left;

-- name: lock_ceremonies
-- As the function below does: who changes more than one takes turns.
select pg_advisory_xact_lock(31632345877144953);

-- name: make_room
select meterr.make_room_for_challenge(
  %(now)s, %(network)s, %(site)s, %(user_id)s, %(network_kept)s, %(site_kept)s, %(account_kept)s,
  %(total_max)s, %(total_kept)s) as made;

-- name: insert_ceremony
insert into meterr.passkey_ceremony (digest, purpose, user_id, network, site, expires_at)
values (%(digest)s, %(purpose)s, %(user_id)s, %(network)s, %(site)s, %(expires_at)s);

-- name: use_ceremony
-- Used up by the first answer, right or wrong. `bound_to` is null for whoever has a passkey here.
update meterr.passkey_ceremony set used_at = %(now)s
 where digest = %(digest)s and purpose = %(purpose)s and used_at is null and expires_at > %(now)s
returning user_id::text as bound_to;

-- name: end_ceremonies
update meterr.passkey_ceremony set used_at = now()
 where user_id = %(user_id)s and used_at is null;

-- name: insert_passkey
insert into meterr.passkey
       (credential_id, user_id, public_key, sign_count, name, transports, backed_up)
values (%(credential_id)s, %(user_id)s, %(public_key)s, %(sign_count)s, %(name)s, %(transports)s,
        %(backed_up)s)
on conflict (credential_id) do nothing;

-- name: find_passkey
select k.credential_id, k.user_id::text, u.state as user_state, k.public_key, k.sign_count,
       k.transports
  from meterr.passkey k
  join meterr.user_account u using (user_id)
 where k.credential_id = %(credential_id)s and k.ended_at is null;

-- name: passkeys_of
select k.credential_id, k.user_id::text, u.state as user_state, k.public_key, k.sign_count,
       k.transports
  from meterr.passkey k
  join meterr.user_account u using (user_id)
 where k.user_id = %(user_id)s and k.ended_at is null
 order by k.created_at, k.credential_id;

-- name: list_passkeys
select credential_id, name, backed_up,
       floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       floor(extract(epoch from last_used_at) * 1000)::bigint as last_used_at_ms
  from meterr.passkey
 where user_id = %(user_id)s and ended_at is null
 order by created_at, credential_id;

-- name: use_passkey
-- The count only rises; authenticators that do not count say 0 for ever.
update meterr.passkey
   set sign_count = %(sign_count)s, backed_up = %(backed_up)s, last_used_at = %(now)s
 where credential_id = %(credential_id)s and ended_at is null
   and (sign_count < %(sign_count)s or (sign_count = 0 and %(sign_count)s = 0));

-- name: end_passkey
update meterr.passkey set ended_at = now()
 where credential_id = %(credential_id)s and user_id = %(user_id)s and ended_at is null;

-- name: end_passkeys
update meterr.passkey set ended_at = now()
 where user_id = %(user_id)s and ended_at is null;
