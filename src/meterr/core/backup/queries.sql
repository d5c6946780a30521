-- As an administrator's login, which row-level security does not hold.

-- name: server
select current_setting('server_version_num')::int / 10000 as major,
       r.rolsuper or r.rolbypassrls as sees_every_row
  from pg_roles r
 where r.rolname = current_user;

-- name: tables
select relname
  from pg_class
 where relnamespace = to_regnamespace('meterr') and relkind = 'r' and relname <> 'schema_migration'
 order by relname;

-- name: see_every_row
-- What row-level security would hide is an error from now on, never an empty table.
set row_security = off;

-- name: needs
-- By name, what a backup cannot be used without.
select array(select distinct kek_id from meterr.data_key where kek_id is not null order by 1)
         as keks,
       array(select distinct pepper_id from meterr.api_key where state = 'active' order by 1)
         as peppers;

-- name: has_rows
select exists (select from meterr.{table}) as present;

-- name: other_sessions
-- Whoever is connected, can act as a role of ours, and would go on with what they remember. By what
-- the server itself knows: a client may call itself what it likes. Superusers can act as anybody. A
-- restore has two sessions; the one that asks at its end is told of the other.
select a.usename::text as login, coalesce(host(a.client_addr), '') as address,
       count(*)::int as sessions
  from pg_stat_activity a
 where a.datname = current_database() and a.pid <> pg_backend_pid() and a.usesysid is not null
   and a.pid::text is distinct from current_setting('meterr.ours', true)
   and coalesce(a.backend_type, 'client backend') = 'client backend'
   and exists (
     select from pg_roles ours
      where ours.rolname in ('meterr_owner', 'meterr_app', 'meterr_auth', 'meterr_drain',
                             'meterr_identity')
        and pg_has_role(a.usesysid, ours.oid, 'MEMBER'))
 group by 1, 2
 order by 1, 2;

-- name: roles_are_for
select set_config('meterr.login', %(login)s, false);

-- name: before_script
-- First words of the one transaction in which all is replaced. Without the last words, which come
-- when everything was read and verified, none of it has happened.
begin;
set local client_min_messages = warning;
set local lock_timeout = '10s';
-- What has ended here since the backup stays so. Plain tables are read and nothing else: no function,
-- view or policy of the schema that goes is run with an administrator's rights.
create temporary table meterr_ended
  (kind text not null, tenant_id uuid, id uuid, ended_at timestamptz) on commit drop;
do $$
begin
  if (select count(*) from pg_class
       where relnamespace = to_regnamespace('meterr') and relkind = 'r'
         and relname in ('api_key', 'tenant', 'user_account', 'membership')) < 4 then
    return;
  end if;
  insert into meterr_ended
    select 'key', tenant_id, key_id, revoked_at from meterr.api_key where state = 'revoked'
    union all
    select 'for good', tenant_id, key_id, revoked_at from meterr.api_key where for_good
    union all
    select 'grace', tenant_id, key_id, grace_until from meterr.api_key
     where grace_until is not null
    union all
    select 'due', tenant_id, key_id, due_until from meterr.api_key where due_until <= now()
    union all
    select 'expiry', tenant_id, key_id, expires_at from meterr.api_key where expires_at <= now()
    union all
    select 'tenant', tenant_id, null, null from meterr.tenant where state = 'disabled'
    union all
    select 'user', null, user_id, disabled_at from meterr.user_account where state = 'disabled'
    union all
    select 'member', tenant_id, user_id, ended_at from meterr.membership
     where ended_at is not null
    union all
    select 'all', null, null, null where exists (select from meterr.tenant);
-- A schema of another time: whoever restores is told that it could not say.
exception when undefined_column or undefined_function or datatype_mismatch then
  null;
end
$$;
drop schema if exists usage cascade;
drop schema if exists meterr cascade;

-- name: after_script
-- Default privileges belong to no schema, so the dump does not have them. It had row-level security
-- switched off, which functions of the schema's owner need. What was settled is told in one line,
-- which psql writes as it is.
set local row_security = on;
alter default privileges for role meterr_owner revoke execute on functions from public;
\pset format unaligned
\pset tuples_only on
select 'settled ' || meterr.settle_restored(nullif(:'emergency', '')::uuid, :'author')::text as told;
-- What comes back needs keys that are not in it: the names of those at hand came with the program's
-- arguments, unless nobody wants to know.
with lacking as (
  select (select coalesce(json_agg(k.kek_id order by k.kek_id), '[]')
            from meterr.key_encryption_key k
           where exists (select from meterr.data_key d where d.kek_id = k.kek_id)
             and encode(k.verifier, 'hex')
                 is distinct from nullif(:'keks', '')::jsonb ->> k.kek_id) as keks,
         (select coalesce(json_object_agg(p.pepper_id, p.keys order by p.pepper_id), '{}')
            from meterr.count_by_pepper() p
           where p.keys > 0 and not (:'peppers'::jsonb) ? p.pepper_id) as peppers
)
select row_to_json(lacking)::text as lacking,
       :'keks' <> '' and (keks::text <> '[]' or peppers::text <> '{}') as lacks
  from lacking
\gset
-- Whoever came meanwhile, started again by a supervisor for example, has read what goes.
select set_config('meterr.ours', :'ours', true) as ours
\gset
select coalesce(json_agg(o), '[]')::text as others, count(*) > 0 as crowded
  from ({other_sessions}) o
\gset
\if :lacks
select 'lacking ' || :'lacking';
rollback;
\elif :crowded
select 'others ' || :'others';
rollback;
\else
commit;
\endif
