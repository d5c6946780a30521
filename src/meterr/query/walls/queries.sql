-- Logins of tenants. As meterr_app, in the transaction of their tenant -----------------------------

-- name: read_tenant
select t.state = 'active' as active, r.role_name, r.password
  from meterr.tenant t
  left join meterr.query_role r on r.tenant_id = t.tenant_id
 where t.tenant_id = %(tenant_id)s;

-- name: add_role
-- Nothing comes back when another process was faster.
insert into meterr.query_role (tenant_id, role_name, password)
values (%(tenant_id)s, %(role_name)s, %(password)s)
on conflict do nothing
returning role_name;

-- name: put_password
update meterr.query_role set password = %(password)s
 where tenant_id = %(tenant_id)s and role_name = %(role_name)s;

-- name: lock_role
-- One process at a time makes a login again; the others then find a new password.
select r.role_name, r.password,
       (select count(*) from pg_stat_activity a where a.usename = r.role_name) as sessions
  from meterr.query_role r
 where r.tenant_id = %(tenant_id)s
   for update;

-- name: count_sessions
select count(*) as sessions from pg_stat_activity where usename = %(role_name)s;

-- name: count_few_rounds
-- Rounds make it slow to guess a password; 256 random bits nobody guesses, and each question's login
-- would wait for them. libpq goes by what the server reports; before version 16 there is nothing to set.
select set_config(name, '1000', true) from pg_settings where name = 'scram_iterations';

-- name: make_login
-- The parameter is a SCRAM verifier; the password itself never reaches the server or its log.
select meterr_walls.make_login(%(role_name)s, %(verifier)s) as made;

-- name: is_only_a_reader
-- Whether a login that is for all tenants can do nothing but read as the reader does.
select rolcanlogin and not (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
       and not exists (select from pg_auth_members m
                        where m.member = r.oid and m.roleid <> to_regrole('meterr_reader'))
       as pure
  from pg_roles r where rolname = %(login)s;

-- name: sign_token
select meterr.sign_query_token(%(tenant_id)s, %(backend)s, %(seconds)s) as token;

-- Hardening. As an administrator -------------------------------------------------------------------

-- name: begin_hardening
-- Two at a time would trip over each other; names are written out in full.
select pg_advisory_xact_lock(7266117203), set_config('search_path', 'pg_catalog', true);

-- name: who_hardens
select r.rolsuper as superuser, r.rolcreaterole as may_make_roles,
       to_regrole('meterr_reader') is not null and to_regnamespace('usage') is not null as migrated
  from pg_roles r where r.rolname = current_user;

-- name: allowed_functions
-- What only computes: the guard's list, what stands behind its operators, the casts between its types
-- and their input and output. Everything else of the server is withheld from questions.
select p.oid::bigint
  from pg_proc p
 where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind <> 'p'
   and p.proname = any (%(functions)s::text[])
union
select o.oprcode::oid::bigint
  from pg_operator o
 where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprcode <> 0
   and o.oprname = any (%(operators)s::text[])
union
select c.castfunc::bigint
  from pg_cast c
  join pg_type s on s.oid = c.castsource
  join pg_type t on t.oid = c.casttarget
 where c.castfunc <> 0 and s.typnamespace = 'pg_catalog'::regnamespace
   and s.typname = any (%(types)s::text[]) and t.typname = any (%(types)s::text[])
union
-- Where there is no such function a cast goes by way of text: of what is constant, with the rights of
-- whoever asks.
select f.id::bigint
  from pg_type t
  join pg_type each on each.oid in (t.oid, t.typarray)
  cross join lateral (values (each.typinput::oid), (each.typoutput::oid)) f (id)
 where t.typnamespace = 'pg_catalog'::regnamespace and t.typname = any (%(types)s::text[]);

-- name: plan_functions
-- First everybody who is no tenant gets by name what everybody had, then everybody loses it.
with others as (
  select oid, quote_ident(rolname) as role from pg_roles
   where not rolsuper and rolname !~ '^(mq_|ms_|mr_|pg_)'
     and rolname not in ('meterr_reader', %(reader_login)s)
), granted as materialized (
  select p.oid, x.grantee
    from pg_proc p
    cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
   where p.pronamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
     and pg_has_role(p.proowner, 'usage')
), withheld as materialized (
  select oid, bool_or(grantee = 0) as of_everybody
    from granted
   where oid <> all (%(allowed)s::bigint[]::oid[])
   group by oid
  having bool_or(grantee = 0) or bool_or(grantee = to_regrole('meterr_app'))
), lacking as (
  select o.role from others o
   where exists (select from withheld w
                  where not exists (select from granted g where g.oid = w.oid and g.grantee = o.oid))
), missing as (
  select g.oid from granted g
   where g.oid = any (%(allowed)s::bigint[]::oid[])
   group by g.oid
  having not bool_or(g.grantee in (0, to_regrole('meterr_reader')))
), surplus as (
  select g.oid, quote_ident(r.rolname) as role
    from granted g join pg_roles r on r.oid = g.grantee
   where r.rolname in ('meterr_reader', %(reader_login)s) and g.oid <> all (%(allowed)s::bigint[]::oid[])
)
select 1 as place, format('grant execute on routine %%s to %%s',
         (select string_agg(oid::regprocedure::text, ', ' order by oid) from withheld),
         string_agg(role, ', ')) as statement
  from lacking having count(*) > 0
union all
select 2, format('grant execute on routine %%s to meterr_reader',
                 string_agg(oid::regprocedure::text, ', ' order by oid))
  from missing having count(*) > 0
union all
select 3, format('revoke execute on routine %%s from public',
                 string_agg(oid::regprocedure::text, ', ' order by oid))
  from withheld where of_everybody having count(*) > 0
union all
select 4, format('revoke execute on routine %%s from %%s',
                 string_agg(oid::regprocedure::text, ', ' order by oid), role)
  from surplus group by role
order by 1;

-- name: plan_relations
-- The same for catalogues, whole and by column.
with others as (
  select oid, quote_ident(rolname) as role from pg_roles
   where not rolsuper and rolname !~ '^(mq_|ms_|mr_|pg_)'
     and rolname not in ('meterr_reader', %(reader_login)s)
), granted as materialized (
  select c.oid, x.grantee, x.privilege_type as privilege, '' as columns
    from pg_class c
    cross join lateral aclexplode(c.relacl) x
   where c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
     and c.relkind in ('r', 'v', 'm', 'p', 'f') and pg_has_role(c.relowner, 'usage')
  union all
  select c.oid, x.grantee, x.privilege_type,
         ' (' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || ')'
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
    cross join lateral aclexplode(a.attacl) x
   where c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
     and c.relkind in ('r', 'v', 'm', 'p', 'f') and pg_has_role(c.relowner, 'usage')
   group by c.oid, x.grantee, x.privilege_type
), withheld as materialized (
  select oid, privilege, columns, bool_or(grantee = 0) as of_everybody
    from granted group by oid, privilege, columns
  having bool_or(grantee = 0) or bool_or(grantee = to_regrole('meterr_app'))
), lacking as (
  select w.privilege, w.columns, o.role, w.oid
    from withheld w cross join others o
   where not exists (select from granted g
                      where g.oid = w.oid and g.privilege = w.privilege and g.columns = w.columns
                        and g.grantee = o.oid)
), by_role as (
  select privilege, columns, oid, string_agg(role, ', ' order by role) as roles
    from lacking group by privilege, columns, oid
)
select 1 as place, format('grant %%s%%s on %%s to %%s', privilege, columns,
                          string_agg(oid::regclass::text, ', ' order by oid), roles) as statement
  from by_role group by privilege, columns, roles
union all
select 2, format('revoke %%s%%s on %%s from public', privilege, columns,
                 string_agg(oid::regclass::text, ', ' order by oid))
  from withheld where of_everybody group by privilege, columns
union all
select 3, format('revoke %%s%%s on %%s from %%I', privilege, columns,
                 string_agg(oid::regclass::text, ', ' order by oid), %(reader_login)s::text)
  from granted where grantee = (select oid from pg_roles where rolname = %(reader_login)s)
 group by privilege, columns
order by 1;

-- name: plan_places
-- Languages to write functions in, the database, and the schema that everybody shares.
with others as (
  select oid, quote_ident(rolname) as role from pg_roles
   where not rolsuper and rolname !~ '^(mq_|ms_|mr_|pg_)'
     and rolname not in ('meterr_reader', %(reader_login)s)
), granted as materialized (
  select 'language ' || quote_ident(l.lanname) as place, x.grantee, x.privilege_type as privilege
    from pg_language l
    cross join lateral aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) x
   where l.lanpltrusted and pg_has_role(l.lanowner, 'usage')
  union all
  -- Not the right to connect: tenants need it themselves.
  select 'database ' || quote_ident(d.datname), x.grantee, x.privilege_type
    from pg_database d
    cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
   where d.datname = current_database() and pg_has_role(d.datdba, 'usage')
  union all
  select 'schema public', x.grantee, x.privilege_type
    from pg_namespace n
    cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x
   where n.nspname = 'public' and pg_has_role(n.nspowner, 'usage')
), withheld as materialized (
  select place, privilege, bool_or(grantee = 0) as of_everybody
    from granted where privilege <> 'CONNECT' group by place, privilege
  having bool_or(grantee = 0)
      or (bool_or(grantee = to_regrole('meterr_app')) and privilege <> 'CREATE')
), lacking as (
  select w.place, w.privilege, string_agg(o.role, ', ' order by o.role) as roles
    from withheld w cross join others o
   where not exists (select from granted g
                      where g.place = w.place and g.privilege = w.privilege and g.grantee = o.oid)
   group by w.place, w.privilege
)
select 1 as nr, format('grant %%s on %%s to %%s', privilege, place, roles) as statement from lacking
union all
select 2, format('grant connect on database %%I to meterr_reader', current_database())
 where not has_database_privilege('meterr_reader', current_database(), 'connect')
union all
select 3, format('revoke %%s on %%s from public', privilege, place) from withheld where of_everybody
union all
select 4, format('revoke %%s on %%s from %%I', privilege, place, %(reader_login)s::text)
  from granted
 where privilege <> 'CONNECT'
   and grantee = (select oid from pg_roles where rolname = %(reader_login)s)
order by 1, 2;

-- name: remaining
-- What questions could do all the same: effective rights, as the server answers for them; of the one
-- login for all where there is one.
with who as (
  select coalesce((select oid from pg_roles where rolname = %(reader_login)s),
                  to_regrole('meterr_reader')) as oid
)
select 'function' as kind, p.oid::regprocedure::text as name
  from pg_proc p cross join who
 where has_schema_privilege(who.oid, p.pronamespace, 'usage')
   and has_function_privilege(who.oid, p.oid, 'execute')
   and p.oid <> all (%(allowed)s::bigint[]::oid[])
union all
select 'missing function', p.oid::regprocedure::text
  from pg_proc p cross join who
 where p.oid = any (%(allowed)s::bigint[]::oid[])
   and not has_function_privilege(who.oid, p.oid, 'execute')
union all
select 'relation', c.oid::regclass::text
  from pg_class c cross join who
 where c.relkind in ('r', 'v', 'm', 'p', 'f')
   and has_schema_privilege(who.oid, c.relnamespace, 'usage')
   and (c.relnamespace <> 'usage'::regnamespace
        or not coalesce(c.reloptions @> '{security_barrier=true,security_invoker=true}', false))
   and has_any_column_privilege(who.oid, c.oid, 'select, insert, update, references')
union all
select 'partition', c.oid::regclass::text
  from pg_class c cross join who
 where c.relispartition and c.relkind in ('r', 'p', 'f')
   and has_any_column_privilege(who.oid, c.oid, 'select')
union all
select 'table without row security', c.oid::regclass::text
  from pg_class c cross join who
 where c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)
   and c.relnamespace = 'meterr'::regnamespace
   and has_any_column_privilege(who.oid, c.oid, 'select')
union all
select 'language', l.lanname
  from pg_language l cross join who
 where l.lanpltrusted and has_language_privilege(who.oid, l.oid, 'usage')
union all
select 'temporary tables', d.datname
  from pg_database d cross join who
 where d.datname = current_database() and has_database_privilege(who.oid, d.oid, 'temporary')
union all
select 'schema to create in', n.nspname
  from pg_namespace n cross join who
 where has_schema_privilege(who.oid, n.oid, 'create')
union all
select 'member of the reader', m.member::regrole::text
  from pg_auth_members m
 where m.roleid = to_regrole('meterr_reader')
   and not exists (select from pg_roles r where r.oid = m.member and r.rolname ~ '^mq_[0-9a-f]{32}$')
   and pg_has_role(m.member, m.roleid, 'usage')
   and not (select rolsuper from pg_roles r where r.oid = m.member)
   and not exists (select from pg_roles r where r.oid = m.member and r.rolname = %(reader_login)s)
union all
select 'tenant login that is more than a reader', m.member::regrole::text
  from pg_auth_members m
 where m.member::regrole::text ~ '^mq_[0-9a-f]{32}$' and m.roleid <> to_regrole('meterr_reader')
union all
select 'tenant login that is more than a reader', r.rolname
  from pg_roles r
 where r.rolname ~ '^mq_[0-9a-f]{32}$'
   and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
union all
select 'member of a tenant login', m.member::regrole::text
  from pg_auth_members m
 where m.roleid::regrole::text ~ '^mq_[0-9a-f]{32}$'
order by 1, 2;

-- name: walls_made
-- The digest of the script that made them, if somebody did.
select obj_description(to_regnamespace('meterr_walls'), 'pg_namespace') as digest,
       (select pg_get_userbyid(nspowner) = current_user from pg_namespace
         where nspname = 'meterr_walls') as ours;

-- name: note_walls
comment on schema meterr_walls is {digest};

-- name: make_walls
-- Functions that make and drop the login of a tenant and nothing else, with the rights of whoever runs
-- this: so meterr's own login needs none of them. In a schema of their own, which is in no backup.
create schema if not exists meterr_walls;
revoke all on schema meterr_walls from public;
grant usage on schema meterr_walls to meterr_app, meterr_owner;

create or replace function meterr_walls.make_login(role_name text, verifier text) returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  setting text;
begin
  if (role_name ~ '^mq_[0-9a-f]{32}$'
      and verifier ~ '^SCRAM-SHA-256\$[0-9]{4,7}:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$')
     is not true then
    raise exception 'this is no login of a tenant' using errcode = 'invalid_parameter_value';
  end if;
  if exists (select from pg_roles where rolname = role_name) then
    execute format('alter role %I login connection limit 8 password %L', role_name, verifier);
  else
    execute format('create role %I login nosuperuser nocreatedb nocreaterole inherit noreplication '
                   'nobypassrls connection limit 8 password %L', role_name, verifier);
    if current_setting('server_version_num')::int >= 160000 then
      execute format('grant meterr_reader to %I with inherit true, set false', role_name);
    else
      execute format('grant meterr_reader to %I', role_name);
    end if;
  end if;
  -- Whoever connects sets closer ones; these hold when nobody does.
  foreach setting in array array[
    'search_path = pg_catalog, usage', 'default_transaction_read_only = on',
    'statement_timeout = ''60s''', 'lock_timeout = ''2s''',
    'idle_in_transaction_session_timeout = ''60s''', 'transaction_timeout = ''120s''',
    'client_connection_check_interval = ''250ms''', 'work_mem = ''4MB''',
    'hash_mem_multiplier = 1', 'max_parallel_workers_per_gather = 0', 'jit = off',
    'temp_file_limit = ''64MB''', 'log_min_messages = fatal', 'log_min_error_statement = panic',
    'log_statement = none', 'log_min_duration_statement = -1'] loop
    begin
      execute format('alter role %I set %s', role_name, setting);
    exception when insufficient_privilege or undefined_object then
      null;  -- a superuser's to set, or of a later version
    end;
  end loop;
end
$$;

create or replace function meterr_walls.drop_login(role_name text) returns void
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '2s'
as $$
begin
  if (role_name ~ '^mq_[0-9a-f]{32}$') is not true then
    raise exception 'this is no login of a tenant' using errcode = 'invalid_parameter_value';
  end if;
  if exists (select from pg_roles where rolname = role_name) then
    begin
      execute format('drop role %I', role_name);
    exception
      when dependent_objects_still_exist then
        execute format('alter role %I nologin', role_name);
      when lock_not_available then
        null;  -- it is changing itself; without its row in query_role it sees nothing all the same
    end;
  end if;
end
$$;

revoke all on function meterr_walls.make_login(text, text), meterr_walls.drop_login(text) from public;
grant execute on function meterr_walls.make_login(text, text) to meterr_app;
grant execute on function meterr_walls.drop_login(text) to meterr_owner;
