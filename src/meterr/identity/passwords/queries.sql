-- Runs as role meterr_identity ------------------------------------------------------------------

-- name: find_password
-- One row for an address that has an account, whatever else it has.
select u.user_id::text, u.email, u.state, p.hash,
       exists (select from meterr.totp_factor f where f.user_id = u.user_id and f.state = 'active')
         or exists (select from meterr.passkey k where k.user_id = u.user_id and k.ended_at is null)
         as has_factor
  from meterr.user_account u
  left join meterr.user_password p using (user_id)
 where u.email = %(email)s;

-- name: find_password_of
select u.user_id::text, u.email, u.state, p.hash,
       exists (select from meterr.totp_factor f where f.user_id = u.user_id and f.state = 'active')
         or exists (select from meterr.passkey k where k.user_id = u.user_id and k.ended_at is null)
         as has_factor
  from meterr.user_account u
  left join meterr.user_password p using (user_id)
 where u.user_id = %(user_id)s;

-- name: insert_first_password
-- Of two claims taken up at once, one sets the first password.
insert into meterr.user_password (user_id, hash, short)
values (%(user_id)s, %(hash)s, %(short)s)
on conflict (user_id) do nothing;

-- name: set_password
insert into meterr.user_password (user_id, hash, short)
values (%(user_id)s, %(hash)s, %(short)s)
on conflict (user_id) do update
  set hash = excluded.hash, short = excluded.short, changed_at = now();

-- name: replace_password
-- Only in the place of the one that was right: making a hash takes long enough for a reset.
update meterr.user_password set hash = %(hash)s, short = %(short)s, changed_at = now()
 where user_id = %(user_id)s and hash = %(before)s;

-- name: rehash
-- The same password under new parameters, unless it was changed meanwhile.
update meterr.user_password set hash = %(hash)s
 where user_id = %(user_id)s and hash = %(before)s;
