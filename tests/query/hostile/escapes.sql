select set_config('role', 'meterr_owner', false)

select set_config('app.current_tenant', 'other', true)

with s as materialized (select set_config('app.current_tenant', 'other', true)) select * from s, calls

with s as (select set_config('role', 'other', false) as x) select calls.* from s cross join calls

select c.* from (select set_config('app.current_tenant', 'other', false)) s, lateral (select * from calls) c

select c.* from calls c, lateral (select pg_catalog.set_config('a', 'b', false)) s

select * from set_config('role', 'other', false) s, calls

select * from calls where set_config('role', 'other', false) is not null

select * from calls order by set_config('role', 'other', false)

select * from calls group by call_id having set_config('role', 'other', false) = ''

select count(*) filter (where set_config('role', 'other', false) = '') from calls

select sum(1) over (partition by set_config('role', 'other', false)) from calls

select * from calls limit (select length(set_config('role', 'other', false)))

select case when set_config('role', 'other', false) = '' then 1 end

select array[set_config('role', 'other', false)]

select (array[1, 2])[length(set_config('role', 'other', false))]

select coalesce(set_config('role', 'other', false), '')

select "set_config"('role', 'other', false)

select "pg_catalog"."set_config"('role', 'other', false)

select SET_CONFIG('role', 'other', false)

select set_config /* comment */ ('role', 'other', false)

select set_config(setting_name => 'role', new_value => 'other', is_local => false)

select set_config(variadic array['role', 'other', 'false'])

select current_setting('app.current_tenant')

select current_setting('is_superuser', true)

select current_user

select session_user, user, current_role

select current_catalog

select current_schema

select system_user

select current_schemas(true)

select * from current_user

select pg_sleep(10)

select pg_sleep_for('1 minute')

select pg_read_file('/etc/passwd')

select pg_read_binary_file('/etc/passwd')

select pg_ls_dir('.')

select pg_stat_file('x')

select lo_import('/etc/passwd')

select lo_export(1, '/x')

select lo_get(1)

select lo_from_bytea(0, 'x')

select loread(1, 1)

select query_to_xml('select set_config(''role'', ''other'', false)', true, true, '')

select database_to_xml(true, true, '')

select table_to_xml('calls', true, true, '')

select schema_to_xml('public', true, true, '')

select cursor_to_xml('c', 1, true, true, '')

select ts_stat('select to_tsvector(note) from orders')

select * from ts_stat('select set_config(''role'', ''x'', false)::tsvector')

select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')

select xpath('/x', '<x/>')

select xmlparse(document '<x/>')

select xmlelement(name x)

select xmlforest(1 as a)

select * from xmltable('/x' passing '<x/>' columns a int)

select '<x/>'::xml

select '<x/>' is document

select dblink('host=x', 'select 1')

select dblink_connect('x')

select pg_advisory_lock(1)

select pg_try_advisory_lock(1)

select pg_advisory_unlock_all()

select pg_terminate_backend(1)

select pg_cancel_backend(pg_backend_pid())

select pg_reload_conf()

select pg_rotate_logfile()

select pg_notify('a', 'b')

select pg_export_snapshot()

select txid_current()

select pg_current_xact_id()

select pg_logical_emit_message(true, 'a', 'b')

select pg_create_physical_replication_slot('x')

select pg_switch_wal()

select nextval('s')

select setval('s', 1)

select lastval()

select currval('s')

select setseed(0.5)

select version()

select inet_server_addr()

select inet_client_addr()

select pg_typeof(1)

select pg_get_viewdef('calls'::regclass)

select obj_description(1)

select col_description(1, 1)

select format_type(1, 1)

select has_table_privilege('calls', 'select')

select to_regclass('calls')

select to_regrole('postgres')

select pg_relation_size('calls')

select pg_database_size('x')

select pg_column_size(1)

select row_security_active('calls')

select pg_has_role('a', 'member')

select pg_input_is_valid('x', 'regclass')

select pg_get_keywords()

select pg_show_all_settings()

select pg_stat_get_activity(null)

select pg_stat_reset()

select pg_lock_status()

select pg_timezone_names()

select convert('x', 'UTF8', 'LATIN1')

select binary_upgrade_set_next_pg_authid_oid(1)

select int4out(1)

select textin('a')

select regclassin('calls')

select record_out(row(1))

select array_fill(0, array[100000000])

select factorial(100000)

select brin_summarize_new_values('x')

select gin_clean_pending_list('x')

select public.lower('a')

select mine.f(1)

select public.set_config('a', 'b', true)

select a.b.c(1)

select f(1)

select lower(set_config('role', 'x', false))

select treat('x' as set_config)

select collation for ('x')

select cast('calls' as regclass)

select 'calls'::regclass

select regclass 'calls'

select regclass('calls')

select "regclass"('calls')

select pg_catalog.regclass 'calls'

select 'lower'::regproc

select 'lower(text)'::regprocedure

select 'postgres'::regrole

select 'public'::regnamespace

select 'int4'::regtype

select '+'::regoper

select 'english'::regconfig

select 1::oid

select '{calls}'::regclass[]

select array['calls']::regclass[]

select cast(cast('calls' as text) as regclass)

select '(1,2)'::calls

select null::public.orders

select '1'::mine.domain

select x::pg_class from (select 1) as q(x)

select 'x'::pg_lsn

select '1'::xid

select '1:1:'::txid_snapshot

select 'x'::unknown

select 'x'::cstring

select 'x'::internal

select 'x'::record

select null::anyelement

select 1::setof_int

select 1 operator(mine.+) 2

select 1 operator(public.=) 2

select 1 operator(pg_catalog.+) operator(x.-) 1

select 'a' === 'b'

select 1 <=> 2

select a @@@ 1 from (select 1 a) q

select 1 !== 2

select 1 = any (select set_config('a', 'b', true)::int)

select 1 operator(mine.=) any (select 1)

select 'a' collate mine.evil

select 'a' collate "nosuch"

select * from pg_class

select * from pg_catalog.pg_class

select * from pg_roles

select * from pg_authid

select rolname from pg_catalog.pg_roles

select * from pg_shadow

select * from pg_user

select * from pg_stat_activity

select * from pg_settings

select * from pg_tables

select * from pg_proc

select * from pg_policies

select * from pg_stats

select * from pg_statistic

select * from pg_file_settings

select * from pg_hba_file_rules

select * from pg_locks

select * from pg_largeobject

select * from information_schema.tables

select * from information_schema.columns

select * from information_schema.role_table_grants

select relname from "pg_catalog"."pg_class"

select 1 from calls, pg_class

select 1 where exists (select 1 from pg_class)

select (select relname from pg_class limit 1)

select count(*) from calls union all select count(*) from pg_class

with x as (select * from pg_class) select * from x

select * from calls join pg_class on true

select * from pg_toast.pg_toast_1

select * from pg_temp.calls

select * from meterr.tenant

select * from mine.calls

select * from other.public.calls

select * from calls_2026_11_01

select * from secrets

select * from Calls2

select * from "Calls"

select * from "calls "

with pg_roles as (select 1 as x) select * from pg_catalog.pg_roles

with recursive a as (select * from b), b as (select * from pg_class) select * from a

with calls as (select * from calls2) select * from calls

select * from calls for update

select * from calls for share of calls

select * from calls for no key update nowait

select * from (select * from calls for update) q

with x as (select * from calls for update) select * from x

select * into t from calls

select * into temp t from calls

select * into unlogged t from calls

with x as (delete from calls returning *) select * from x

with x as (insert into calls default values returning *) select 1

with x as (update calls set model = '' returning *) select * from x

with x as (merge into calls using models on false when matched then delete returning *) select * from x

with recursive x as (delete from calls returning 1) select 1

select * from (delete from calls returning *) q

select * from calls tablesample system (1)

select * from calls tablesample bernoulli (set_config('a', 'b', true)::int)

select $1

select * from calls where model = $1

select * from calls limit $1

select 1; drop table calls

select 1; select 2

select 1;;; select pg_sleep(1);

select 1 /* ; */ ; delete from calls -- x

; ; drop table calls

begin; select 1; commit

select 1 \gexec

select 1 -- \
; drop table calls

'; DROP TABLE users; --

1 OR 1=1

select 'a' || $$'; drop table calls; --$$; drop table calls

-- nothing but a comment

/* nothing */

from

selct 1

select * frm calls

select (

select 'unclosed

select "unclosed

select $$unclosed

select /* unclosed

select 1 limit 1 limit 2

select * from calls where

select U&"\0070g_sleep"(1)

select U&'\0061'

select u&"set_config"('a', 'b', true)

select U&"!0070g_sleep"(1) uescape '!'

select * from U&"pg_class"

select 1 as U&"x"

select json_table('[]', '$[*]' columns (a int))

select * from json_table('[{"a": 1}]', '$[*]' columns (a regclass path '$.a')) j

select * from jsonb_to_recordset('[{"a": 1}]') as x(a regclass)

select * from jsonb_to_record('{"a": 1}') as x(a public.calls)

select * from jsonb_to_recordset('[]') as x(a text collate "C")

select * from generate_series(1, 2) as x(a int)

select * from rows from (jsonb_to_record('{}') as (a int)) x

select x.lower from jsonb_to_record('{"a": 1}') as x(a int)

select x from jsonb_to_record('{"a": 1}') as x(a int)

select jsonb_to_record.lower from jsonb_to_record('{}')

select x.x from jsonb_to_recordset('[]') x

select * from jsonb_populate_record(null::calls, '{}')

select * from json_populate_recordset(null::public.orders, '[]')

select * from generate_series(1, 1000000000000)

select * from generate_series(1, 1e12)

select * from generate_series(10000000, 1, -1)

select repeat('x', 1000000000)

select repeat('x', (select 1000000000))

select lpad('x', 1000000000)

select format('%1000000000s', 'x')

select format('%*s', 1000000000, 'x')

select format(model, 1) from calls

select * from calls order by model using ~<~

select default

select * from calls where current of c

with recursive t(n) as (select 1 union all select n + 1 from t) search depth first by m set o select * from t

with recursive t(n) as (select 1 union all select n + 1 from t) cycle n set c to regrole 'postgres' default null using p select * from t

select * from f() as x(a int)

select * from rows from (pg_sleep(1), now()) x

select nothing from calls

select calls.nothing from calls

select models.model from calls

select x.model from calls

select model from calls c where calls.cost_usd > 0

select public.models.model from calls

select x from (select 1 as y) q

select lower(nothing) from calls

select * from calls join models using (nothing)

select * from calls join models using (cost_usd)

select o.x from (select 1 as x) i, orders o

select q.x from (select 1 as x) p, (select p.x) q

select * from calls a, calls a

select * from calls, calls

select 1 from calls a join models b on c.x = 1, keys c

select model from calls group by nothing

select model from calls order by nothing

select model from calls window w as (partition by nothing)

select sum(cost_usd) over (order by nothing) from calls

select cost as c from calls where c > 1
