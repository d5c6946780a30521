"""Named SQL: statements live in ``queries.sql`` beside the one module that runs them."""

import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import LiteralString, cast

_NAME = re.compile(r"^--[ \t]*name:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*--.*$", re.MULTILINE)


def load_sql(package: str) -> Mapping[str, LiteralString]:
    """
    Read ``<package>/queries.sql`` and return its statements by name.

    A block starts at ``-- name: x`` and runs to the next such line or to the end. A doubled or
    empty name, an empty statement or SQL before the first name raises ValueError, so that a slip
    stops the start and not a request.
    """
    text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    return parse(text, f"{package}/queries.sql")


def parse(text: str, origin: str) -> Mapping[str, LiteralString]:
    """Split ``text`` into named statements; ``origin`` names the file in errors."""
    head, *parts = _NAME.split(text)
    if _without_comments(head):
        raise ValueError(f"{origin}: SQL before the first '-- name:' line")
    statements: dict[str, LiteralString] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if not name.isidentifier():
            raise ValueError(f"{origin}: {name!r} is no statement name")
        if name in statements:
            raise ValueError(f"{origin}: the name {name!r} is used twice")
        if not _without_comments(body):
            raise ValueError(f"{origin}: {name!r} holds no statement")
        # Read from a file of this package, never from a request: as literal as a constant.
        statements[name] = cast("LiteralString", body.strip())
    return MappingProxyType(statements)


def _without_comments(text: str) -> str:
    return _COMMENT.sub("", text).strip()
