-- As meterr_app, in the transaction of the tenant ---------------------------------------------------

-- name: put_source
-- A name that is in use stays what it is; one that was removed may be another database.
insert into meterr.query_source (tenant_id, name, url, place, shape, created_by)
values (%(tenant_id)s, %(name)s, %(url)s, %(place)s, %(shape)s::jsonb, %(created_by)s)
on conflict (tenant_id, name) do update
   set url = excluded.url, place = excluded.place, shape = excluded.shape, words = '',
       created_at = now(), created_by = excluded.created_by, protected_at = null, checked_at = null, holes = 0
 where query_source.url is null;

-- name: list_sources
select name, place, shape, words, floor(extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       created_by, floor(extract(epoch from protected_at) * 1000)::bigint as protected_at_ms,
       floor(extract(epoch from checked_at) * 1000)::bigint as checked_at_ms, holes
  from meterr.query_source
 where tenant_id = %(tenant_id)s and url is not null
 order by name;

-- name: read_url
-- Nobody asks for a tenant that is disabled. Until the transaction ends no rotation seals it anew, so its
-- data key cannot retire before it opens.
select s.url
  from meterr.query_source s join meterr.tenant t on t.tenant_id = s.tenant_id
 where s.tenant_id = %(tenant_id)s and s.name = %(name)s and s.url is not null
   and t.state = 'active'
   for key share of s;

-- name: put_login
update meterr.query_source
   set url = %(url)s, protected_at = now(), checked_at = now(), holes = 0
 where tenant_id = %(tenant_id)s and name = %(name)s and url is not null;

-- name: put_check
update meterr.query_source set checked_at = now(), holes = %(holes)s
 where tenant_id = %(tenant_id)s and name = %(name)s and url is not null;

-- name: put_words
update meterr.query_source set words = %(words)s
 where tenant_id = %(tenant_id)s and name = %(name)s and url is not null;

-- name: remove_source
update meterr.query_source set url = null
 where tenant_id = %(tenant_id)s and name = %(name)s and url is not null;

-- In the tenant's own database, as the login that was made there -----------------------------------

-- name: describe
-- Every column there is, in order: what is not granted is hidden, and says so. And whether the policy
-- still stands that holds this login to its rows.
select n.nspname as schema, c.relname as relation, coalesce(obj_description(c.oid, 'pg_class'), '') as about,
       a.attname as column, format_type(a.atttypid, a.atttypmod) as type,
       coalesce(col_description(c.oid, a.attnum), '') as meaning,
       t.typcategory::text as category, has_column_privilege(c.oid, a.attnum, 'select')
         and (jsonb_array_length(w.columns) = 0 or w.columns ? a.attname) as shared,
       c.relrowsecurity and exists (
         select from pg_catalog.pg_policy p
          where p.polrelid = c.oid and p.polname = 'meterr_holds' and not p.polpermissive
            and p.polcmd = '*' and pg_has_role(current_user, p.polroles[1], 'usage')) as held
  from jsonb_to_recordset(%(tables)s::jsonb) as w (schema text, name text, columns jsonb)
  join pg_catalog.pg_namespace n on n.nspname = w.schema
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_catalog.pg_type t on t.oid = a.atttypid
 order by n.nspname, c.relname, a.attnum;
