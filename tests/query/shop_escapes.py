"""Attacks on a shop's database, by rule: what would cross, in every place that SQL has for it."""

from collections.abc import Iterator

import psycopg
from escapes import CALLS
from test_query_hostile import POSITIONS

from support.shop import RIVAL, Shop

# Cheaper than every policy, and the planner may put it first if it may.
_LEAK = (
    "create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0001"
    " as $$ begin raise notice '%', $1; return true; end $$"
)
_READS = "select string_agg(o::text, '') from shop.orders o"


def calls(shop: Shop) -> tuple[str, ...]:
    """Return what could become somebody else, read past the policy, or run SQL in a text."""
    return (
        f"set_config('role', '{shop.owner}', false)",
        f"set_config('role', '{shop.app}', true)",
        f"set_config('session_authorization', '{shop.owner}', false)",
        f"set_config('app.tenant', '{RIVAL}', false)",
        f"query_to_xml('{_READS}', true, false, '')",
        "table_to_xml('shop.orders', true, false, '')",
        "table_to_xml('shop.secrets', true, false, '')",
        "schema_to_xml('shop', true, false, '')",
        "database_to_xml(true, false, '')",
        f"ts_stat('{_READS.replace('select', 'select to_tsvector(')})')",
        "meterr_source.tenant()",
        *CALLS,
    )


def sessions(shop: Shop) -> tuple[tuple[str, ...], ...]:
    """Return sessions of several statements, each its own transaction unless it says otherwise."""
    writes = (
        "create table shop.mine (x int)",
        "create table public.mine (x int)",
        "create schema mine",
        "create function shop.f() returns int language sql return 1",
        "update shop.orders set total = 0",
        "delete from shop.orders",
        "truncate shop.orders",
        "insert into shop.events select * from shop.events",
        f"update meterr_source.login set tenant_value = '{RIVAL}'",
        "delete from meterr_source.login",
        f"create or replace function meterr_source.tenant() returns text return '{RIVAL}'",
        "alter table shop.orders disable row level security",
        "alter table shop.orders no force row level security",
        "drop policy meterr_holds on shop.orders",
        "create policy mine on shop.orders using (true)",
        "create role mine",
        f"grant {shop.owner} to current_user",
        "grant select on shop.orders to public",
        "alter system set work_mem = '1GB'",
        "create extension dblink",
        "comment on table shop.orders is 'mine'",
        "lock table shop.orders",
        "do 'begin perform 1 from shop.secrets; end'",
        f"do 'begin perform set_config(''app.tenant'', ''{RIVAL}'', false); end'",
    )
    return (
        *(("begin read write", each, "commit") for each in writes),
        *((f"set role {role}", _READS) for role in (shop.owner, shop.app, "postgres")),
        *((f"set session authorization {each}", _READS) for each in (shop.owner, "postgres")),
        ("set row_security = off", _READS),
        ("set search_path = shop", "select * from orders", "select * from secrets"),
        (f"set app.tenant = '{RIVAL}'", _READS),
        ("set session_replication_role = replica", _READS),
        ("begin", "declare c cursor for select * from shop.orders", "fetch all c"),
        ("prepare p as select * from shop.orders", f"set role {shop.owner}", "execute p"),
        ("copy shop.orders to stdout",),
        ("copy shop.secrets to stdout",),
        ("copy (select * from shop.events_2025) to stdout",),
        ("copy (select * from shop.orders) to program 'cat'",),
        ("explain (analyze, verbose) select * from shop.orders where total > 20000",),
        ("do 'begin raise notice ''%'', (select array_agg(o::text) from shop.orders o); end'",),
        ("select 1 / (case when note like 'rival%' then 0 else 1 end) from shop.orders",),
        ("select note::int from shop.orders where note like 'rival%'",),
        ("select * from shop.orders where 1 / (case when total > 20000 then 0 else 1 end) = 1",),
        ("create temp view orders as select * from shop.orders", "select * from orders"),
        ("create temp table t as select * from shop.orders", "select * from t"),
        (
            _LEAK,
            "select * from shop.orders where pg_temp.leak(note)",
        ),
    )  # fmt: skip


def calls_in_every_position(shop: Shop) -> Iterator[str]:
    """Yield each call where each expression, or each row, may stand."""
    for call in calls(shop):
        for position in POSITIONS:
            yield position.format(call).replace("calls", "shop.orders")
        yield f"with s as materialized (select {call} as x) select c.*, s.x from s, shop.orders c"
        yield f"select c.*, x from (select {call} as x offset 0) s, lateral (table shop.orders) c"


def reads_of_every_relation(shop: Shop) -> Iterator[str]:
    """Yield statements that read each relation there is: tables, partitions, views, catalogues."""
    with psycopg.connect(shop.admin_dsn) as admin:
        rows = admin.execute(
            """select format('%I.%I', n.nspname, c.relname) from pg_class c
                 join pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'v', 'm', 'p', 'S', 't', 'f')"""
        ).fetchall()
    for (name,) in rows:
        yield f"select * from {name}"
        yield f"select string_agg(t::text, '') from {name} t"
