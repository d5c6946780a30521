"""
PostgreSQL's own parser, as a C library inside the wheel of postgast.

The library is bound here rather than through ``import postgast``, which also builds 250 protobuf
classes: 0.1 s and 15 MB in every process, for an API that we do not use. Loading it is like
importing any extension module. A call keeps no state, and other threads run meanwhile.

The parser is written for stacks of megabytes. What its longest statement (``BYTES_MAX``) can need,
however it is nested, stays below 2 MB: tests/query measures it.
"""

import ctypes
import importlib.util
import sys
from pathlib import Path
from typing import Any

import msgspec

from meterr.query.refusal import Code, echo, refuse

# The grammar that judges. Servers from 15 on read a subset of it in the same way; what a newer
# server reads is the question in docs/explanation/query-guard.md.
GRAMMAR_MAJOR = 18

# Raising it needs more stack: about 110 bytes for each byte of the worst statement.
BYTES_MAX = 20_000


class _Error(ctypes.Structure):
    _fields_ = (
        ("message", ctypes.c_char_p),
        ("function", ctypes.c_char_p),
        ("file", ctypes.c_char_p),
        ("line", ctypes.c_int),
        ("cursor", ctypes.c_int),
        ("context", ctypes.c_char_p),
    )


class _Result(ctypes.Structure):
    _fields_ = (
        ("tree", ctypes.c_char_p),
        ("stderr", ctypes.c_char_p),
        ("error", ctypes.POINTER(_Error)),
    )


def _load() -> ctypes.CDLL:
    package = importlib.util.find_spec("postgast")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("meterr.query needs the package postgast", name="postgast")
    name = "libpg_query.dylib" if sys.platform == "darwin" else "libpg_query.so"
    library = ctypes.CDLL(str(Path(package.origin).parent / name))
    library.pg_query_parse.argtypes = [ctypes.c_char_p]
    library.pg_query_parse.restype = _Result
    library.pg_query_free_parse_result.argtypes = [_Result]
    library.pg_query_free_parse_result.restype = None
    return library


_LIBRARY = _load()


class Statement(msgspec.Struct, frozen=True):
    """One statement: its node, and where it stands in the bytes (length 0: to the end)."""

    stmt: dict[str, Any]
    stmt_location: int = 0
    stmt_len: int = 0


class _Tree(msgspec.Struct, frozen=True):
    stmts: tuple[Statement, ...] = ()


_DECODER = msgspec.json.Decoder(_Tree)


def parse(sql: bytes) -> tuple[Statement, ...]:
    """
    Return the statements of valid UTF-8 without NUL, at most ``BYTES_MAX`` bytes.

    Raises ``Refused`` (``syntax``, ``too-deep``) and nothing else.
    """
    result = _LIBRARY.pg_query_parse(sql)
    try:
        if result.error:
            error = result.error.contents
            _refuse_syntax(sql, error.message or b"", error.cursor)
        return _DECODER.decode(result.tree).stmts
    except RecursionError:
        refuse(Code.TOO_DEEP, "The statement is nested too deeply; split it into WITH queries.")
    except msgspec.DecodeError:
        refuse(Code.SYNTAX, "PostgreSQL's parser gave no tree for this text.")
    finally:
        _LIBRARY.pg_query_free_parse_result(result)


def _refuse_syntax(sql: bytes, message: bytes, cursor: int) -> None:
    """``cursor`` counts characters from 1, and is 0 when the parser does not know the place."""
    text = message.decode("utf-8", "replace")
    if "memory exhausted" in text:
        refuse(Code.TOO_DEEP, "The statement is nested too deeply; split it into WITH queries.")
    at = len(sql.decode()[: cursor - 1].encode()) if cursor > 0 else -1
    hint = _dialect_hint(sql, at)
    refuse(Code.SYNTAX, f"PostgreSQL cannot read this: {echo(text)}.{hint}", at)


def _dialect_hint(sql: bytes, at: int) -> str:
    """Say what another database's notation is called here, when it stands at the place."""
    there = sql[at : at + 4] if at >= 0 else b""
    if b"`" in there[:1] or there[:1] == b"[":
        return ' Names with capitals or spaces stand in double quotes: "Total".'
    if sql[:at].rstrip()[-3:].lower() == b"top" if at >= 0 else False:
        return " Write LIMIT n at the end instead of TOP n."
    return ""
