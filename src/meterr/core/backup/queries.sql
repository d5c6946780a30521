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

-- name: has_rows
select exists (select from meterr.{table}) as present;

-- name: sessions_of_meterr
-- Processes of meterr that are connected and would go on with what they remember.
select count(*) as sessions
  from pg_stat_activity
 where datname = current_database() and pid <> pg_backend_pid()
   and application_name like 'meterr %';

-- name: roles_are_for
select set_config('meterr.login', %(login)s, false);

-- name: before_script
-- First words of the one transaction in which all is replaced. Without the last words, which come
-- when everything was read and verified, none of it has happened.
begin;
set local client_min_messages = warning;
set local lock_timeout = '10s';
drop schema if exists meterr cascade;

-- name: after_script
-- Default privileges belong to no schema, so the dump does not have them.
alter default privileges for role meterr_owner revoke execute on functions from public;
commit;
