"""
The types that a question may cast to, by their names in pg_catalog. Pure.

Not here: everything whose input looks something up (``reg*``), ``xml``, ``oid`` and other types of
the system's own, pseudo-types, rows of relations, domains and types of the tenant's own.
"""

from typing import Any

from meterr.query.refusal import Code, echo, nearest, refuse

_NAMES = """
    bool int2 int4 int8 float4 float8 numeric money text varchar bpchar char name bytea uuid
    date time timetz timestamp timestamptz interval bit varbit json jsonb jsonpath
    inet cidr macaddr macaddr8 tsvector tsquery point box circle lseg
    int4range int8range numrange tsrange tstzrange daterange
    int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange
"""
TYPES: frozenset[str] = frozenset(_NAMES.split())

# Types whose values are as long as is written behind them: memory that no timeout limits.
_PADDED = frozenset({"bpchar", "bit"})
_PADDED_MAX = 10_000

# PostgreSQL's words for some of them: the parser has translated these before we look.
_FIELDS = frozenset({"names", "typmods", "typemod", "arrayBounds", "location"})
_SPOKEN = ("integer", "bigint", "decimal", "double precision", "boolean", "timestamp", "text")


def judge_type(type_name: dict[str, Any]) -> None:
    """Raise ``Refused`` unless the type, or the type of the array's elements, is in the list."""
    at = type_name.get("location", -1)
    names = [part.get("String", {}).get("sval", "") for part in type_name.get("names", ())]
    if len(names) == 2 and names[0] == "pg_catalog":
        names = names[1:]
    if len(names) != 1 or names[0] not in TYPES:
        shown = echo(".".join(names))
        near = nearest(shown, [*TYPES, *_SPOKEN])
        hint = f"; did you mean {near[0]}?" if near else "."
        refuse(Code.TYPE, f"The type {shown} cannot be used in a question{hint}", at)
    if not type_name.keys() <= _FIELDS:
        extra = ", ".join(sorted(type_name.keys() - _FIELDS))
        refuse(Code.TYPE, f"A type written with {extra} cannot be used in a question.", at)
    for modifier in type_name.get("typmods", ()):
        if modifier.keys() != {"A_Const"}:
            refuse(Code.TYPE, "What stands in brackets after a type must be a number.", at)
        if names[0] in _PADDED and modifier["A_Const"].get("ival", {}).get("ival", 0) > _PADDED_MAX:
            text = f"{names[0]} is filled up to its length, which is at most {_PADDED_MAX:,} here."
            refuse(Code.TYPE, text, at)
