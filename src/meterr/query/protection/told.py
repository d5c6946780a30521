"""What a stranger's server tells of itself: one text, held to the shape that was asked for."""

from collections.abc import Mapping
from typing import Final, LiteralString, TypeVar

import msgspec

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.query.protection.connecting import ANSWER_BYTES_MAX, SourceUnavailable

_SQL: Final = load_sql("meterr.query.protection")
T = TypeVar("T")


async def told(
    connection: Connection,
    statement: LiteralString,
    values: Mapping[str, object],
    shape: type[T],
) -> list[T]:
    """
    Return the rows of a SELECT, each as ``shape`` by the names of its columns.

    The server writes them as JSON, so nothing is read by types that it names. Raises
    SourceUnavailable for what no PostgreSQL would say.
    """
    whole = _SQL["told"].replace("{statement}", statement.rstrip(";"))
    found = (await connection.execute(whole, values)).pgresult
    text = found.get_value(0, 0) if found is not None and found.ntuples == 1 else None
    if text is not None and len(text) > ANSWER_BYTES_MAX:  # it came faster than it was counted
        raise SourceUnavailable("answer")
    try:
        # A database without an encoding has texts that are none.
        return msgspec.json.decode((text or b"").decode("utf-8", "replace"), type=list[shape])  # type: ignore[valid-type]
    except (msgspec.MsgspecError, RecursionError):
        raise SourceUnavailable("answer") from None
