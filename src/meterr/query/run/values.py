"""From what PostgreSQL sends to what JSON has: text in, values out. Pure."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types import TypeInfo

from meterr.query.run.model import Kind, Value

_KINDS: Mapping[str, Kind] = MappingProxyType({
    "int2": "integer", "int4": "integer", "int8": "integer", "oid": "integer",
    "numeric": "number", "float4": "number", "float8": "number", "bool": "boolean",
    "timestamp": "time", "timestamptz": "time", "date": "date", "json": "json", "jsonb": "json",
})  # fmt: skip
_INTEGERS: Final = ("int2", "int4", "int8", "oid")


class _Text(Loader):
    """As PostgreSQL writes it."""

    def load(self, data: Buffer) -> Value:
        return bytes(data).decode("utf-8", "replace")


class _Integer(Loader):
    def load(self, data: Buffer) -> Value:
        return int(bytes(data))


class _Boolean(Loader):
    def load(self, data: Buffer) -> Value:
        return bytes(data) == b"t"


class _Float(Loader):
    """JSON has no word for infinity and for what is no number: they are text."""

    def load(self, data: Buffer) -> Value:
        text = bytes(data).decode("ascii")
        return text if text.strip("-") in {"Infinity", "NaN"} else float(text)


class _Time(Loader):
    """ISO 8601, in UTC as the session is; infinity and years before Christ stay as they are."""

    def load(self, data: Buffer) -> Value:
        text = bytes(data).decode("ascii")
        if "BC" in text or "infinity" in text:
            return text
        moment = text.replace(" ", "T", 1)
        return moment.removesuffix("+00") + "Z" if moment.endswith("+00") else moment


class _Json(Loader):
    """Fractions stay exact as text; what cannot be read, or written again, stays text as well."""

    def load(self, data: Buffer) -> Value:
        text = bytes(data).decode("utf-8", "replace")
        if "\\ud" in text.lower():  # half a surrogate pair is a value that UTF-8 cannot carry
            return text
        try:
            value: Value = json.loads(text, parse_float=str)
        except (RecursionError, ValueError):
            return text
        return value


_LOADERS: Mapping[str, type[Loader]] = MappingProxyType({
    **dict.fromkeys(_INTEGERS, _Integer), "bool": _Boolean,
    "float4": _Float, "float8": _Float, "timestamp": _Time, "timestamptz": _Time,
    "json": _Json, "jsonb": _Json,
})  # fmt: skip


def load_as_json(adapters: AdaptersMap) -> None:
    """Make a connection's values those of JSON, also inside of arrays."""
    known = [info for info in adapters.types if type(info) is TypeInfo]
    for info in known:
        adapters.register_loader(info.oid, _LOADERS.get(info.name, _Text))
    for info in adapters.types:
        if type(info) is not TypeInfo:  # ranges and their like
            adapters.register_loader(info.oid, _Text)
    adapters.register_loader(0, _Text)


def kind_of(adapters: AdaptersMap, type_oid: int) -> Kind:
    """Return the kind of a column from the server's number of its type."""
    info = adapters.types.get(type_oid)
    if info is None:
        return "text"
    return "json" if info.array_oid == type_oid else _KINDS.get(info.name, "text")
