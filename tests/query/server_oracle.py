"""
What the server itself makes of a statement, read from its own analysed tree.

The statement becomes part of a temporary view, ``select exists (...)``: the server resolves every
name and stores the tree as text. Nothing of the guard takes part in reading it.
"""

import re
from dataclasses import dataclass, field
from typing import LiteralString, cast

import psycopg

# pg_attribute numbers start at -7 in the bit sets of a permission entry.
_FIRST_ATTRIBUTE = -7
_CALL = re.compile(r"\{FUNCEXPR :funcid (\d+) .*?:funcformat (\d)")
_AGGREGATE = re.compile(r":(?:aggfnoid|winfnoid) (\d+)")
_OPERATOR = re.compile(r"\{(?:OPEXPR|DISTINCTEXPR|NULLIFEXPR|SCALARARRAYOPEXPR) :opno (\d+)")
_ROW_OPERATORS = re.compile(r":opnos \(o ([\d ]+)\)")
_VARIABLE = re.compile(r"\{VAR :varno \S+ :varattno (-?\d+)")
_RELATION = re.compile(r":relid (\d+) ")
_COLUMNS = re.compile(r":relid (\d+) [^{}]*?:selectedCols \(b ?([\d ]*)\)")
_EXPLICIT_CALL, _SQL_SYNTAX = "0", "3"


@dataclass(frozen=True)
class Used:
    """What a statement would touch. Casts are functions that the server put in by itself."""

    relations: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    casts: set[int] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    attributes: set[int] = field(default_factory=set)


def used_by(connection: psycopg.Connection, body: str) -> Used:
    """Return what the server says; raises psycopg's error when it does not take the statement."""
    connection.execute("drop view if exists pg_temp.judged")
    view = f"create temp view judged as select exists (\n{body}\n) as it"
    connection.execute(cast("LiteralString", view))
    row = connection.execute(
        "select ev_action::text from pg_rewrite where ev_class = 'pg_temp.judged'::regclass"
    ).fetchone()
    assert row
    return _read(connection, str(row[0]))


def _read(connection: psycopg.Connection, tree: str) -> Used:
    # The view itself has a column, and an entry of its own in some versions.
    used = Used()
    own = _one(connection, "select 'pg_temp.judged'::regclass::oid::text")
    calls = set(_CALL.findall(tree))
    written = {oid for oid, form in calls if form in {_EXPLICIT_CALL, _SQL_SYNTAX}}
    written |= set(_AGGREGATE.findall(tree))
    used.functions.update(_names(connection, "pg_proc", "proname", "pronamespace", written))
    used.casts.update(int(oid) for oid, _ in calls if oid not in written)
    operators = set(_OPERATOR.findall(tree))
    for several in _ROW_OPERATORS.findall(tree):
        operators |= set(several.split())
    used.operators.update(_names(connection, "pg_operator", "oprname", "oprnamespace", operators))
    relations = set(_RELATION.findall(tree)) - {own}
    used.relations.update(_names(connection, "pg_class", "relname", "relnamespace", relations))
    used.attributes.update(int(number) for number in _VARIABLE.findall(tree))
    for relation, bits in _COLUMNS.findall(tree):
        numbers = [int(bit) + _FIRST_ATTRIBUTE for bit in bits.split()]
        used.columns.update(_columns(connection, relation, numbers))
    return used


def _one(connection: psycopg.Connection, statement: LiteralString) -> str:
    row = connection.execute(statement).fetchone()
    assert row
    return str(row[0])


def _names(
    connection: psycopg.Connection, table: str, name: str, schema: str, oids: set[str]
) -> set[str]:
    """Return ``schema.name`` of each; one of pg_catalog has no schema in it."""
    statement = (
        f"select case nspname when 'pg_catalog' then '' else nspname || '.' end || {name}"
        f" from {table} t join pg_namespace n on n.oid = t.{schema} where t.oid = any(%s)"
    )
    rows = connection.execute(cast("LiteralString", statement), [[int(oid) for oid in oids]])
    return {row[0] for row in rows}


def _columns(
    connection: psycopg.Connection, relation: str, numbers: list[int]
) -> set[tuple[str, str]]:
    rows = connection.execute(
        "select c.relname, case when n = 0 then '*' else a.attname end from unnest(%s::int[]) n"
        " join pg_class c on c.oid = %s"
        " left join pg_attribute a on a.attrelid = c.oid and a.attnum = n",
        [numbers, int(relation)],
    )
    return {(row[0], row[1]) for row in rows}
