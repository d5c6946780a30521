"""Attacks that are made by rule: what would cross the walls, in every place that SQL has for it."""

from collections.abc import Iterator

import psycopg
from test_query_hostile import POSITIONS

from support.walled import A, B

_READS = "select string_agg(e::text, '') from meterr.ledger_entry e"
# What a call could do: become somebody else, read past the policy, run text, or leave something.
CALLS = (
    "set_config('role', 'meterr_owner', false)",
    "set_config('role', 'meterr_app', true)",
    "set_config('session_authorization', 'meterr', false)",
    f"set_config('meterr.tenant_id', '{B}', false)",
    f"set_config('meterr.query_token', '{B}.1.9999999999.{'0' * 64}', false)",
    "set_config('row_security', 'off', false)",
    "set_config('search_path', 'meterr', false)",
    "set_config('transaction_read_only', 'off', false)",
    "set_config('default_transaction_read_only', 'off', false)",
    "set_config('session_replication_role', 'replica', false)",
    "set_config('client_min_messages', 'debug5', false)",
    f"query_to_xml('{_READS}', true, false, '')",
    "table_to_xml('meterr.ledger_entry', true, false, '')",
    "schema_to_xml('meterr', true, false, '')",
    "database_to_xml(true, false, '')",
    "cursor_to_xml('c', 5, true, false, '')",
    f"ts_stat('{_READS.replace('select', 'select to_tsvector(')})')",
    "current_setting('meterr.tenant_id', true)",
    "pg_read_file('/etc/passwd')",
    "pg_ls_dir('.')",
    "pg_stat_file('PG_VERSION')",
    "lo_create(0)",
    "lo_from_bytea(0, '\\x00')",
    "lo_import('/etc/passwd')",
    "lo_export(1, '/tmp/x')",
    "lo_unlink(1)",
    "pg_notify('meterr_identity', '{}')",
    "pg_advisory_lock(7266117203)",
    "pg_advisory_xact_lock(1)",
    "pg_try_advisory_lock_shared(1)",
    "pg_logical_emit_message(false, 'a', 'b')",
    "pg_terminate_backend(1)",
    "pg_cancel_backend(1)",
    "pg_reload_conf()",
    "pg_stat_reset()",
    "pg_export_snapshot()",
    "pg_create_restore_point('x')",
    "nextval('meterr.identity_version')",
    "setval('meterr.identity_version', 1)",
    "dblink('dbname=meterr', 'select 1')",
    "pg_get_viewdef('usage.calls'::regclass)",
    "pg_get_functiondef('meterr.session_tenant'::regproc)",
    "pg_relation_size('meterr.ledger_entry')",
    "pg_stats_ext_are_visible()",
    "has_table_privilege('meterr.tenant', 'select')",
    "to_regclass('meterr.tenant')",
    "txid_current()",
    "meterr.list_tenants()",
    "meterr.list_unknown_tenants()",
    "meterr.list_data_keys()",
    "meterr.session_tenant()",
    f"meterr.sign_query_token('{B}', pg_backend_pid(), 60)",
    f"meterr.sum_entries('{B}', '-infinity', 'infinity', '1 day')",
    f"meterr.revoke_every_key('{B}', '{B}', 'x', 'x', '1 day')",
    f"meterr_walls.drop_login('mq_{'0' * 32}')",
    f"meterr_walls.make_login('mq_{'0' * 32}', 'x')",
)

# Whole statements; several are one session, each its own transaction unless they say otherwise.
SESSIONS: tuple[tuple[str, ...], ...] = (
    ("set role meterr_owner", _READS),
    ("set role meterr_app", f"set meterr.tenant_id = '{B}'", _READS),
    ("set role meterr_reader", "select * from usage.calls", "select * from calls"),
    ("set session authorization meterr", _READS),
    ("set session authorization postgres", _READS),
    ("reset role", "reset session authorization", "select * from calls"),
    ("set row_security = off", "select * from calls", "select * from keys"),
    ("set search_path = meterr", "select * from ledger_entry", "select * from tenant"),
    (f"set meterr.tenant_id = '{B}'", "select * from calls", _READS),
    (f"set meterr.query_token = '{B}.1.9999999999.{'0' * 64}'", "select * from calls"),
    ("begin read write", "create table public.mine (x int)", "commit"),
    ("begin read write", "create table usage.mine (x int)", "commit"),
    ("begin read write", "create table meterr.mine (x int)", "commit"),
    ("begin read write", "create temp table mine as select 1", "commit"),
    ("begin read write", "create schema mine", "commit"),
    ("begin read write", "create temp view calls as select 1", "commit"),
    ("begin read write", "create function pg_temp.f() returns int language sql return 1", "commit"),
    ("begin read write", "do 'begin perform 1; end'", "commit"),
    ("begin read write", "select lo_create(0)", "commit"),
    ("begin read write", "update usage.calls set cost_usd = 0", "commit"),
    ("begin read write", "delete from calls", "commit"),
    (
        "begin read write",
        "insert into meterr.tenant (tenant_id, name) values (null, 'x')",
        "commit",
    ),
    ("begin read write", "update meterr.ledger_entry set cost_usd = 0", "commit"),
    ("begin read write", "delete from meterr.query_role", "commit"),
    ("begin read write", "alter role meterr_app login", "commit"),
    ("begin read write", "grant meterr_app to current_user", "commit"),
    ("begin read write", "grant select on calls to public", "commit"),
    ("begin read write", "alter table meterr.ledger_entry disable row level security", "commit"),
    ("begin read write", "create policy p on meterr.ledger_entry using (true)", "commit"),
    ("begin read write", "create role mine", "commit"),
    ("begin read write", "alter system set work_mem = '1GB'", "commit"),
    ("begin read write", "create extension dblink", "commit"),
    ("begin read write", "comment on view calls is 'mine'", "commit"),
    ("begin read write", "lock table meterr.ledger_entry", "commit"),
    ("begin read write", "analyze", "vacuum", "cluster", "checkpoint", "commit"),
    ("begin", "declare c cursor for select * from meterr.ledger_entry", "fetch all c"),
    ("begin", "declare c cursor with hold for select * from calls", "commit", "fetch all c"),
    ("prepare p as select * from meterr.ledger_entry", "execute p"),
    ("prepare p as select * from calls", "set role meterr_owner", "execute p"),
    ("copy meterr.ledger_entry to stdout",),
    ("copy (select * from meterr.ledger_entry) to stdout",),
    ("copy (select * from calls) to program 'cat'",),
    ("copy (select * from calls) to '/tmp/meterr-copy'",),
    ("explain analyze select * from meterr.ledger_entry",),
    ("explain (analyze, verbose) select * from calls where cost_usd is null",),
    ("explain select * from calls where model = 'x'",),
    ("do 'begin raise notice ''%'', (select count(*) from meterr.ledger_entry); end'",),
    ("call meterr.session_tenant()",),
    ("select 1 / (case when model = 'own' then 1 else 0 end) from calls",),
    ("select model::int from calls where model <> 'own'",),
    ("select * from calls where 1 / (case when model = 'own' then 1 else 0 end) = 1",),
    ("show all",),
    ("show meterr.tenant_id",),
    ("discard all", "select * from calls"),
    ("load 'auto_explain'",),
    ("security label on view calls is 'x'",),
    ("import foreign schema x from server y into usage",),
    ("merge into meterr.tenant using (select 1) q on true when matched then delete",),
    (f"select * from usage.calls where key_id = '{A}' or true",),
)


def calls_in_every_position() -> Iterator[str]:
    """Yield each call where each expression, or each row, may stand."""
    for call in CALLS:
        for position in POSITIONS:
            yield position.format(call)
        yield f"with s as materialized (select {call} as x) select c.*, s.x from s, calls c"
        yield f"select c.*, x from (select {call} as x offset 0) s, lateral (select * from calls) c"


def reads_of_every_relation(admin_dsn: str) -> Iterator[str]:
    """Yield statements that read each relation there is: tables, partitions, views, catalogues."""
    with psycopg.connect(admin_dsn) as admin:
        rows = admin.execute(
            """select n.nspname, c.relname from pg_class c
                 join pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'v', 'm', 'p', 'S', 't')"""
        ).fetchall()
    for schema, name in rows:
        yield f'select * from "{schema}"."{name}"'
        yield f'select count(*) from "{name}"'
        if schema in {"meterr", "usage"}:
            yield f'table "{schema}"."{name}"'
            yield f'select string_agg(t::text, \'\') from "{schema}"."{name}" t'


def calls_of_every_function(admin_dsn: str) -> Iterator[str]:
    """Yield a call of each function of the server, with nulls of its own types."""
    with psycopg.connect(admin_dsn) as admin:
        rows = admin.execute(
            """select n.nspname, p.proname, p.prokind::text,
                      array(select format_type(t, null) from unnest(p.proargtypes) t)
                 from pg_proc p join pg_namespace n on n.oid = p.pronamespace"""
        ).fetchall()
    for schema, name, kind, types in rows:
        # A subquery each: a constant null would be the result before anybody looked at rights.
        given = ", ".join(f"(select null::{each})" for each in types)
        word = "call" if kind == "p" else "select"
        window = " over ()" if kind == "w" else ""
        yield f'{word} "{schema}"."{name}"({given}){window}'
