-- In a tenant's own database, never in meterr's. As whoever the operator named, with search_path
-- pg_catalog: the server writes every name out in full, and quotes it.

-- name: told
-- Around whatever is read below: rows as one text.
select coalesce(json_agg(told), '[]') from (
{statement}
) as told;

-- name: begin_protecting
-- Two at a time would trip over each other; nobody's application waits longer than this for us.
select pg_advisory_xact_lock(7266117204), set_config('search_path', 'pg_catalog', true),
       set_config('lock_timeout', '5s', true);

-- name: who_protects
select r.rolsuper as superuser, r.rolsuper or r.rolcreaterole as may_make_roles,
       (select x.grantee::regrole::text
          from pg_proc p cross join lateral aclexplode(p.proacl) x
         where p.oid = to_regprocedure('meterr_source.tenant()')
           and x.grantee::regrole::text ~ '^mr_[0-9a-f]{32}$'
         order by 1 limit 1) as reader
  from pg_roles r where r.rolname = current_user;

-- name: begin_reading
select set_config('search_path', 'pg_catalog', false), set_config('lock_timeout', '2s', false);

-- name: wanted
-- What the statements below begin with: the chosen tables, and who has rights on them.
with wanted as (
  select c.oid, t.schema, t.name, t.columns, format('%%I.%%I', t.schema, t.name) as shown,
         c.relkind, c.relispartition, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
         format_type(a.atttypid, -1) as tenant_type
    from jsonb_to_recordset(%(tables)s::jsonb) as t (schema text, name text, columns jsonb)
    left join pg_namespace n on n.nspname = t.schema
    left join pg_class c on c.relnamespace = n.oid and c.relname = t.name
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                            and a.attname = %(tenant_column)s::text
), rights as (
  select w.oid, w.relowner as role from wanted w where w.oid is not null
  union
  select w.oid, x.grantee from wanted w join pg_class c on c.oid = w.oid
    cross join lateral aclexplode(c.relacl) x
  union
  select w.oid, x.grantee from wanted w join pg_attribute a on a.attrelid = w.oid
    cross join lateral aclexplode(a.attacl) x
), holders as (
  -- Whom row security would filter: not superusers, who pass it by, and nobody of ours.
  select h.oid, r.oid as role, r.rolname, r.oid = w.relowner as owns,
         -- Its own, or of a role that it is part of or that is part of it.
         exists (select from pg_policy p cross join lateral unnest(p.polroles) named (oid)
                  where p.polrelid = h.oid and p.polpermissive and p.polname not like 'meterr\_%%'
                    and (named.oid = 0 or pg_has_role(r.oid, named.oid, 'member')
                         or pg_has_role(named.oid, r.oid, 'member'))) as has_policy,
         exists (select from pg_policy p
                  where p.polrelid = h.oid and p.polname = 'meterr_keeps'
                    and r.oid = any (p.polroles)) as is_kept
    from rights h
    join wanted w on w.oid = h.oid
    join pg_roles r on r.oid = h.role
   where not (r.rolsuper or r.rolbypassrls) and r.rolname !~ '^(ms|mr)_[0-9a-f]{32}$'
), losers as (
  -- Who would no longer see what it sees now.
  select h.oid, h.role, h.rolname
    from holders h join wanted w on w.oid = h.oid
   where %(tenant_column)s::text is not null and not h.is_kept
     and ((h.owns and not w.relforcerowsecurity) or not w.relrowsecurity)
)

-- name: problems
-- (kind, name) of what keeps these tables from being protected.
select 'no such table' as kind, shown as name from wanted where oid is null
union all
select 'not a table', shown from wanted where relkind not in ('r', 'p')
union all
select 'a partition', shown from wanted where relispartition
union all
select 'not the owner', shown from wanted where not pg_has_role(relowner, 'usage')
union all
select 'no such column', shown || '.' || quote_ident(c.name)
  from wanted cross join lateral jsonb_array_elements_text(columns) c (name)
 where oid is not null
   and not exists (select from pg_attribute a where a.attrelid = oid and a.attname = c.name
                      and a.attnum > 0 and not a.attisdropped)
union all
select 'no tenant column', shown from wanted
 where oid is not null and %(tenant_column)s::text is not null and tenant_type is null
union all
select 'own row security', shown from wanted
 where %(tenant_column)s::text is null and relrowsecurity
union all
select 'sleeping policies', shown from wanted w
 where %(tenant_column)s::text is not null and not relrowsecurity
   and exists (select from pg_policy p where p.polrelid = w.oid and p.polname not like 'meterr\_%%')
union all
select 'everybody may use', w.shown from wanted w join rights h on h.oid = w.oid where h.role = 0
union all
select 'open schema', quote_ident(n.nspname)
  from pg_namespace n cross join lateral aclexplode(n.nspacl) x
 where n.nspname in (select schema from wanted) and x.grantee = 0 and x.privilege_type = 'CREATE'
union all
select 'would lose rows', quote_ident(l.rolname) || ' on ' || w.shown
  from losers l join wanted w on w.oid = l.oid
 where l.rolname <> all (%(keep)s::text[])
union all
select 'no such role', quote_ident(k.name) from unnest(%(keep)s::text[]) k (name)
 where not exists (select from pg_roles r where r.rolname = k.name)
union all
select 'has policies', quote_ident(h.rolname) || ' on ' || w.shown
  from holders h join wanted w on w.oid = h.oid
 where h.rolname = any (%(keep)s::text[]) and w.relrowsecurity and h.has_policy
   and not exists (select from losers l where l.oid = h.oid and l.role = h.role)
union all
select 'cannot make roles', quote_ident(current_user) from pg_roles r
 where r.rolname = current_user and not (r.rolsuper or r.rolcreaterole)
union all
select 'cannot make a schema', quote_ident(current_database())
 where %(tenant_column)s::text is not null and to_regnamespace('meterr_source') is null
   and not has_database_privilege(current_database(), 'create')
union all
select 'somebody else''s schema', 'meterr_source' from pg_namespace n
 where %(tenant_column)s::text is not null and n.nspname = 'meterr_source'
   and (not pg_has_role(n.nspowner, 'usage')
        -- Its owner says whose login is whose: nobody may who cannot read these tables anyway.
        or exists (select from wanted w where not pg_has_role(n.nspowner, w.relowner, 'usage'))
        or exists (select from pg_class c
                    where c.relnamespace = n.oid
                      and (c.relowner <> n.nspowner or c.relhastriggers or c.relhasrules
                           or c.relrowsecurity or c.relkind not in ('r', 'i')
                           or exists (select from pg_attrdef d where d.adrelid = c.oid)
                           or exists (select from pg_constraint x
                                       where x.conrelid = c.oid and x.contype = 'c')))
        or exists (select from pg_proc p
                    where p.pronamespace = n.oid
                      and (p.proowner <> n.nspowner or not p.prosecdef
                           or p.proconfig is distinct from array['search_path=pg_catalog, pg_temp']
                           or pg_get_function_sqlbody(p.oid) is distinct from
                                'RETURN (SELECT l.tenant_value FROM meterr_source.login l '
                                'WHERE (l.role_name = SESSION_USER))')))
order by 1, 2;

-- name: plan
-- (place, statement, how to undo it), in order; what is in place already is left out. A policy is
-- known again by the digest in its comment.
, who as (
  select rolsuper as superuser, current_setting('server_version_num')::int as version
    from pg_roles where rolname = current_user
), reads_as as (
  -- Whom rights are given to: by rows one reader for all logins, else the one login.
  select case when %(tenant_column)s::text is null then %(login)s::text else %(reader)s::text end as role
), kept as (
  select w.oid, w.shown,
         (select string_agg(quote_ident(k.name), ', ' order by k.name)
            from (select h.rolname from holders h where h.oid = w.oid and h.is_kept
                  union
                  select h.rolname from holders h
                   where h.oid = w.oid and h.rolname = any (%(keep)s::text[])
                     and (exists (select from losers l where l.oid = h.oid and l.role = h.role)
                          or not h.has_policy)) k (name)) as roles
    from wanted w
), policies (name, oid, shown, made) as (
  select 'meterr_reads', w.oid, w.shown,
         format('create policy meterr_reads on %%s for select to %%I using (%%I = (select meterr_source.tenant()::%%s))',
                w.shown, %(reader)s::text, %(tenant_column)s::text, w.tenant_type)
    from wanted w
  union all
  -- Policies of the application's that hold for everybody open nothing to questions.
  select 'meterr_holds', w.oid, w.shown,
         format('create policy meterr_holds on %%s as restrictive to %%I using (%%I = (select meterr_source.tenant()::%%s)) with check (false)',
                w.shown, %(reader)s::text, %(tenant_column)s::text, w.tenant_type)
    from wanted w
  union all
  select 'meterr_keeps', k.oid, k.shown,
         format('create policy meterr_keeps on %%s to %%s using (true) with check (true)',
                k.shown, k.roles)
    from kept k where k.roles is not null
), due as (
  select d.*, p.oid is not null as stale
    from policies d
    left join pg_policy p on p.polrelid = d.oid and p.polname = d.name
   where %(tenant_column)s::text is not null
     and obj_description(p.oid, 'pg_policy') is distinct from 'meterr ' || md5(d.made)
), columns as (
  select w.oid, w.shown, a.attnum, a.attname
    from wanted w
    join pg_attribute a on a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped
   where w.columns ? a.attname or jsonb_array_length(w.columns) = 0
      or a.attname = %(tenant_column)s::text
), settings (name, value, version, by_superuser) as (values
  ('default_transaction_read_only', 'on', 0, false), ('search_path', 'pg_catalog', 0, false),
  ('statement_timeout', '''60s''', 0, false), ('lock_timeout', '''2s''', 0, false),
  ('idle_in_transaction_session_timeout', '''60s''', 0, false),
  ('transaction_timeout', '''120s''', 170000, false),
  ('client_connection_check_interval', '''250ms''', 0, false), ('work_mem', '''4MB''', 0, false),
  ('hash_mem_multiplier', '1', 0, false), ('max_parallel_workers_per_gather', '0', 0, false),
  ('jit', 'off', 0, false), ('temp_file_limit', '''64MB''', 0, true),
  ('log_min_error_statement', 'panic', 0, true), ('log_statement', 'none', 0, true),
  ('log_min_duration_statement', '-1', 0, true)
)
select 10 as place, 'create schema meterr_source' as statement, 'drop schema meterr_source' as undo
 where %(tenant_column)s::text is not null and to_regnamespace('meterr_source') is null
union all
select 11, format('create role %%I nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls',
                  %(reader)s::text),
       format('drop role %%I', %(reader)s::text)
 where %(tenant_column)s::text is not null and to_regrole(%(reader)s::text) is null
union all
select 12, 'create table meterr_source.login (role_name name primary key, tenant_value text not null)',
       'drop table meterr_source.login'
 where %(tenant_column)s::text is not null and to_regclass('meterr_source.login') is null
union all
select 13, 'create function meterr_source.tenant() returns text language sql stable security definer '
           'set search_path = pg_catalog, pg_temp '
           'return (select l.tenant_value from meterr_source.login l where l.role_name = session_user)',
       'drop function meterr_source.tenant()'
 where %(tenant_column)s::text is not null and to_regprocedure('meterr_source.tenant()') is null
union all
select 14, 'revoke all on function meterr_source.tenant() from public', ''
 where %(tenant_column)s::text is not null and to_regprocedure('meterr_source.tenant()') is null
union all
select 15, format('grant execute on function meterr_source.tenant() to %%I', %(reader)s::text),
       format('revoke execute on function meterr_source.tenant() from %%I', %(reader)s::text)
 where %(tenant_column)s::text is not null and to_regprocedure('meterr_source.tenant()') is null
union all
select 16, format('grant usage on schema meterr_source to %%I', %(reader)s::text),
       format('revoke usage on schema meterr_source from %%I', %(reader)s::text)
 where %(tenant_column)s::text is not null
   and has_schema_privilege(to_regrole(%(reader)s::text), to_regnamespace('meterr_source'), 'usage') is not true
union all
select 20, case when to_regrole(%(login)s::text) is null
                then format('create role %%I login nosuperuser nocreatedb nocreaterole inherit noreplication nobypassrls connection limit 4 password %%L',
                            %(login)s::text, %(verifier)s::text)
                else format('alter role %%I login connection limit 4 password %%L', %(login)s::text, %(verifier)s::text)
           end,
       case when to_regrole(%(login)s::text) is null then format('drop role %%I', %(login)s::text)
            else format('alter role %%I nologin', %(login)s::text) end
union all
select 21, format(case when version >= 160000 then 'grant %%I to %%I with inherit true, set false'
                       else 'grant %%I to %%I' end, %(reader)s::text, %(login)s::text),
       format('revoke %%I from %%I', %(reader)s::text, %(login)s::text)
  from who
 where %(tenant_column)s::text is not null
   and pg_has_role(to_regrole(%(login)s::text), to_regrole(%(reader)s::text), 'usage') is not true
union all
select 22, format('alter role %%I set %%s = %%s', %(login)s::text, s.name, s.value), ''
  from settings s cross join who
 where to_regrole(%(login)s::text) is null
   and who.version >= s.version and (who.superuser or not s.by_superuser)
union all
select 23, format('insert into meterr_source.login (role_name, tenant_value) values (%%L, %%L) '
                  'on conflict (role_name) do update set tenant_value = excluded.tenant_value',
                  %(login)s::text, %(tenant_value)s::text),
       format('delete from meterr_source.login where role_name = %%L', %(login)s::text)
 where %(tenant_column)s::text is not null
union all
select 24, format('grant connect on database %%I to %%I', current_database(), role),
       format('revoke connect on database %%I from %%I', current_database(), role)
  from reads_as
 where not exists (select from pg_database d cross join lateral
                     aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
                    where d.datname = current_database() and x.privilege_type = 'CONNECT'
                      and x.grantee in (0, to_regrole(role)))
union all
select 25, format('grant usage on schema %%I to %%I', s.schema, role),
       format('revoke usage on schema %%I from %%I', s.schema, role)
  from (select distinct schema from wanted) s cross join reads_as
 where has_schema_privilege(to_regrole(role), s.schema, 'usage') is not true
union all
select 30, format('alter table %%s enable row level security', shown),
       format('alter table %%s disable row level security', shown)
  from wanted where %(tenant_column)s::text is not null and not relrowsecurity
union all
select 31, format('alter table %%s force row level security', shown),
       format('alter table %%s no force row level security', shown)
  from wanted where %(tenant_column)s::text is not null and not relforcerowsecurity
union all
select 32, format('drop policy %%I on %%s', name, shown), '' from due where stale
union all
select 33, made, format('drop policy %%I on %%s', name, shown) from due
union all
select 34, format('comment on policy %%I on %%s is %%L', name, shown, 'meterr ' || md5(made)), ''
  from due
union all
select 40, format('grant select (%%s) on %%s to %%I',
                  string_agg(quote_ident(attname), ', ' order by attnum), shown, role),
       format('revoke select (%%s) on %%s from %%I',
              string_agg(quote_ident(attname), ', ' order by attnum), shown, role)
  from columns cross join reads_as
 where has_column_privilege(to_regrole(role), oid, attnum, 'select') is not true
 group by shown, role
order by 1, 2;

-- name: value_fits
-- The value as the column's own type reads it. No cast beyond that, here or below: one to text can be a
-- function of somebody's, and this runs as an administrator.
select {value}::{type};

-- name: tenant_types
-- The types of the tenant columns, as the server names them; of a domain what it is made of, since its
-- checks are functions of somebody's.
select distinct format_type(b.oid, -1) as name
  from wanted w
  cross join lateral (
    with recursive base (oid, made_of) as (
      select t.oid, t.typbasetype from pg_type t where t.oid = to_regtype(w.tenant_type)
      union all
      select t.oid, t.typbasetype from base b join pg_type t on t.oid = b.made_of
    )
    select oid from base where made_of = 0) b
 where w.tenant_type is not null;

-- name: a_foreign_value
-- Somebody else's value, as far as whoever protects sees one.
select {column} from {table} where {column} is distinct from {value} limit 1;

-- name: holes
-- (kind, name) of what the login could do beyond reading the chosen columns: effective rights, as
-- the server answers for them. What an extension brought is the extension's.
, me as (
  select r.* from pg_roles r where r.rolname = %(login)s::text
), its_rights as (
  select c.oid, c.relkind, format('%%I.%%I', n.nspname, c.relname) as shown,
         exists (select from wanted w where w.oid = c.oid) as chosen,
         exists (select from pg_policy p
                  where p.polrelid = c.oid and p.polname = 'meterr_holds' and not p.polpermissive
                    and p.polcmd = '*' and c.relrowsecurity and c.relforcerowsecurity
                    and pg_has_role(me.oid, p.polroles[1], 'usage')) as held
    from me cross join pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_'
     and n.nspname <> 'information_schema'
     and has_schema_privilege(me.oid, n.oid, 'usage')
     and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass
                        and d.objid = c.oid and d.deptype = 'e')
)
select 'reads' as kind, shown as name from its_rights r cross join me
 where relkind <> 'S' and has_any_column_privilege(me.oid, r.oid, 'select')
   and not (case when %(tenant_column)s::text is null then chosen else held end)
union all
select 'writes', shown from its_rights r cross join me
 where case when relkind = 'S' then has_sequence_privilege(me.oid, r.oid, 'usage, select, update')
            else has_table_privilege(me.oid, r.oid, 'insert, update, delete, truncate, trigger, references')
                 or has_any_column_privilege(me.oid, r.oid, 'insert, update, references') end
union all
select 'is not held to its rows', shown from its_rights
 where %(tenant_column)s::text is not null and chosen and not held
union all
select 'calls', p.oid::regprocedure::text
  from me cross join pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
   and p.oid is distinct from to_regprocedure('meterr_source.tenant()')
   and has_schema_privilege(me.oid, n.oid, 'usage')
   and has_function_privilege(me.oid, p.oid, 'execute')
   and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass
                      and d.objid = p.oid and d.deptype = 'e')
union all
select 'creates in', quote_ident(n.nspname) from me cross join pg_namespace n
 where has_schema_privilege(me.oid, n.oid, 'create')
union all
select 'creates in', 'database ' || quote_ident(current_database()) from me
 where has_database_privilege(me.oid, current_database(), 'create')
union all
select 'is more than a reader', 'the login' from me
 where rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
union all
select 'is more than a reader', m.roleid::regrole::text from me join pg_auth_members m
    on m.member = me.oid and m.roleid::regrole::text !~ '^mr_[0-9a-f]{32}$'
union all
select 'is more than a reader', m.roleid::regrole::text from pg_auth_members m
 where m.member::regrole::text ~ '^mr_[0-9a-f]{32}$'
union all
select 'may be taken on by', quote_ident(r.rolname)
  from me join pg_auth_members m on m.roleid = me.oid join pg_roles r on r.oid = m.member
 where not r.rolsuper and pg_has_role(r.oid, me.oid, 'usage')
order by 1, 2;

-- name: attempts
-- (what, statements before, probe): ways to a row that is not one's own. As the login itself. A
-- probe that brings a row has crossed, and so has a change that is not refused.
, foreign_rows as (
  select w.oid, w.shown, w.tenant_type,
         format('select 1 from %%s where %%I is distinct from %%L::%%s limit 1', w.shown,
                %(tenant_column)s::text, %(tenant_value)s::text, w.tenant_type) as probe
    from wanted w where %(tenant_column)s::text is not null and w.oid is not null
), others as (
  select distinct f.oid, f.shown, f.probe, r.rolname
    from foreign_rows f join rights h on h.oid = f.oid
    join pg_roles r on r.oid = h.role or r.oid = 10  -- whoever made the server
      or r.oid in (select m.roleid from pg_auth_members m where m.member = h.role)
), switches as (
  select distinct f.oid, f.shown, f.probe, m[1] as name
    from foreign_rows f join pg_policy p on p.polrelid = f.oid
    cross join lateral regexp_matches(
      coalesce(pg_get_expr(p.polqual, p.polrelid), ''), 'current_setting\(''([^'']+)''', 'g') m
), parts as (
  select w.shown, format('%%I.%%I', n.nspname, c.relname) as part
    from wanted w cross join lateral pg_partition_tree(w.oid) t
    join pg_class c on c.oid = t.relid join pg_namespace n on n.oid = c.relnamespace
   where t.relid <> w.oid
  union
  select w.shown, i.inhrelid::regclass::text from wanted w join pg_inherits i on i.inhparent = w.oid
)
select 'rows of ' || shown as what, array[]::text[] as before, probe from foreign_rows
union all
select 'rows of ' || shown || ' with row security off', array['set row_security = off'], probe
  from foreign_rows
union all
select 'rows of ' || shown || ' as another role', array[format('set role %%I', rolname)], probe from others
union all
select 'rows of ' || shown || ' as another login',
       array[format('set session authorization %%I', rolname)], probe from others
union all
select 'rows of ' || shown || ' as another role inside of one statement', array[]::text[],
       format('with s as materialized (select set_config(''role'', %%L, false)) %%s', rolname,
              replace(probe, ' where ', ', s where '))
  from others
union all
select 'rows of ' || shown || ' with a setting of the application''s',
       array[format('set %%I = %%L', name, %(other)s::text)], probe
  from switches where %(other)s::text is not null
union all
select 'rows of ' || shown || ' with a setting inside of one statement', array[]::text[],
       format('with s as materialized (select set_config(%%L, %%L, false)) %%s', name, %(other)s::text,
              replace(probe, ' where ', ', s where '))
  from switches where %(other)s::text is not null
union all
select 'rows of ' || shown || ' by SQL in a text', array[]::text[],
       format('select 1 where xpath_exists(''/table/row'', query_to_xml(%%L, true, false, ''''))', probe)
  from foreign_rows
union all
select 'the part ' || part || ' of ' || shown, array[]::text[], format('select 1 from %%s limit 1', part)
  from parts
union all
select 'statistics of ' || shown, array[]::text[],
       format('select 1 from pg_stats where schemaname = %%L and tablename = %%L limit 1', schema, name)
  from wanted where %(tenant_column)s::text is not null
union all
select 'statistics', array[]::text[], 'select 1 from pg_statistic limit 1'
union all
select 'the logins'' passwords', array[]::text[], 'select 1 from pg_authid limit 1'
union all
select 'which tenants there are', array[]::text[], 'select 1 from meterr_source.login limit 1'
 where %(tenant_column)s::text is not null
union all
select 'becoming another tenant', array['begin read write'],
       format('with c as (update meterr_source.login set tenant_value = %%L returning 1) select 1', %(other)s::text)
 where %(tenant_column)s::text is not null
union all
select 'changing rows of ' || shown, array['begin read write'],
       format('with c as (delete from %%s where false returning 1) select 1', shown) from wanted
union all
select 'a table of its own in ' || quote_ident(schema), array['begin read write',
         format('create table %%I.meterr_attempt (x integer)', schema)],
       format('select 1 from pg_class where relname = ''meterr_attempt'' and relnamespace = to_regnamespace(%%L)',
              quote_ident(schema))
  from (select distinct schema from wanted) s;

-- name: shut_out
alter role {login} nologin;

-- name: forget_session
-- Roles and settings that an attempt left.
discard all;
