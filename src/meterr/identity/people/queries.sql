-- All of this runs as role meterr_identity ----------------------------------------------------

-- name: lock_roles
-- Role changes and disabling take turns, all of them: they are rare, and "the last administrator" is a
-- statement about more rows than a row lock holds. The number is ours: 'people' in ASCII.
select pg_advisory_xact_lock(123580963646565);

-- name: insert_user
-- Nothing when the address has an account already.
insert into meterr.user_account (user_id, email, shown_email)
values (%(user_id)s, %(email)s, %(shown_email)s)
on conflict (email) do nothing;

-- name: find_user
select u.user_id::text, u.email, u.shown_email, u.state, u.version,
       exists (select from meterr.user_password p where p.user_id = u.user_id)
         or exists (select from meterr.passkey k where k.user_id = u.user_id and k.ended_at is null)
         as joined,
       floor(extract(epoch from u.created_at) * 1000)::bigint as created_at_ms
  from meterr.user_account u
 where u.user_id = %(user_id)s;

-- name: find_user_by_email
select u.user_id::text, u.email, u.shown_email, u.state, u.version,
       exists (select from meterr.user_password p where p.user_id = u.user_id)
         or exists (select from meterr.passkey k where k.user_id = u.user_id and k.ended_at is null)
         as joined,
       floor(extract(epoch from u.created_at) * 1000)::bigint as created_at_ms
  from meterr.user_account u
 where u.email = %(email)s;

-- name: list_users
-- Newest first: ids are UUIDv7. `after` is the last id of the page before, or null.
select u.user_id::text, u.email, u.shown_email, u.state, u.version,
       exists (select from meterr.user_password p where p.user_id = u.user_id)
         or exists (select from meterr.passkey k where k.user_id = u.user_id and k.ended_at is null)
         as joined,
       floor(extract(epoch from u.created_at) * 1000)::bigint as created_at_ms
  from meterr.user_account u
 where %(after)s::uuid is null or u.user_id < %(after)s::uuid
 order by u.user_id desc
 limit %(limit)s;

-- name: list_members
-- Of the transaction's tenant, which row-level security compares as well.
select u.user_id::text, u.email, u.shown_email, u.state, u.version,
       exists (select from meterr.user_password p where p.user_id = u.user_id)
         or exists (select from meterr.passkey k where k.user_id = u.user_id and k.ended_at is null)
         as joined,
       floor(extract(epoch from u.created_at) * 1000)::bigint as created_at_ms,
       m.tenant_id::text, m.role, floor(extract(epoch from m.created_at) * 1000)::bigint as since_ms
  from meterr.membership m
  join meterr.user_account u using (user_id)
 where m.tenant_id = %(tenant_id)s and m.ended_at is null
   and (%(after)s::uuid is null or m.user_id < %(after)s::uuid)
 order by m.user_id desc
 limit %(limit)s;

-- name: roles_of
-- Memberships that count: of tenants that are not disabled.
select user_id::text, tenant_id::text, role
  from meterr.role_for_authentication
 where user_id = any(%(user_ids)s::uuid[]) and tenant_state = 'active';

-- name: others_in_charge
-- Of the tenants in which a person is in charge: how many others are, and can sign in.
select mine.tenant_id::text, count(other.user_id) as others
  from meterr.role_for_authentication mine
  left join meterr.role_for_authentication other
    on other.tenant_id = mine.tenant_id and other.user_id <> mine.user_id
   and other.role = mine.role and other.user_state = 'active'
 where mine.user_id = %(user_id)s and mine.role in ('admin', 'super_admin')
 group by mine.tenant_id;

-- name: find_role
select role
  from meterr.membership
 where tenant_id = %(tenant_id)s and user_id = %(user_id)s and ended_at is null;

-- name: set_role
update meterr.membership set role = %(role)s
 where tenant_id = %(tenant_id)s and user_id = %(user_id)s and ended_at is null;

-- name: end_membership
update meterr.membership set ended_at = now()
 where tenant_id = %(tenant_id)s and user_id = %(user_id)s and ended_at is null;

-- name: join_tenant
-- A membership that ended begins again with the new role; one that lasts stays what it is.
insert into meterr.membership (tenant_id, user_id, role)
values (%(tenant_id)s, %(user_id)s, %(role)s)
on conflict (tenant_id, user_id) do update
   set role = excluded.role, created_at = now(), ended_at = null
 where membership.ended_at is not null;

-- name: disable_user
update meterr.user_account set state = 'disabled', disabled_at = now()
 where user_id = %(user_id)s and state = 'active';

-- name: enable_user
update meterr.user_account set state = 'active', disabled_at = null
 where user_id = %(user_id)s and state = 'disabled';

-- name: touch_credentials
-- Sessions from before this moment are over; the trigger tells every process.
update meterr.user_account set credentials_changed_at = clock_timestamp()
 where user_id = %(user_id)s;

-- name: lock_claims
-- Of two claims that are made at once for one person, the second ends the first. Not the person's row:
-- whoever takes a claim up holds that one first, and this row last.
select pg_advisory_xact_lock(hashtextextended('meterr claims ' || %(user_id)s::text, 0));

-- name: insert_claim
insert into meterr.user_claim
       (digest, user_id, joins_tenant, joins_as, drops_factors, made_by, made_in, expires_at)
values (%(digest)s, %(user_id)s, %(joins_tenant)s, %(joins_as)s, %(drops_factors)s, %(made_by)s,
        %(made_in)s, %(expires_at)s);

-- name: end_claims
-- Of one kind: a new invitation to a tenant, or a new reset, ends those before it; and the end of a
-- membership those to come back.
update meterr.user_claim set used_at = now()
 where user_id = %(user_id)s and joins_tenant is not distinct from %(joins_tenant)s::uuid
   and used_at is null;

-- name: find_claim
-- With what its author is now, where it was made.
select c.digest, c.user_id::text, c.joins_tenant::text, c.joins_as, c.drops_factors,
       c.made_by::text, c.made_in::text, r.role as author_role,
       exists (select from meterr.role_for_authentication p
                where p.user_id = c.user_id
                  and p.tenant_id = '00000000-0000-0000-0000-000000000000') as of_super_admin
  from meterr.user_claim c
  join meterr.user_account u using (user_id)
  left join meterr.role_for_authentication r
    on r.user_id = c.made_by and r.tenant_id = c.made_in
   and r.user_state = 'active' and r.tenant_state = 'active'
 where c.digest = %(digest)s and c.used_at is null and c.expires_at > %(now)s
   and u.state = 'active';

-- name: use_claim
-- Of any number of attempts at the same time, one finds it unused.
update meterr.user_claim set used_at = %(now)s
 where digest = %(digest)s and used_at is null and expires_at > %(now)s;
