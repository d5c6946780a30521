"""One guarded statement in one session: what it may cost, then its rows, within the limits."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Final

import msgspec
import psycopg
from psycopg import errors, generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from meterr.core import outage
from meterr.core.errors import MeterrError
from meterr.core.sql import load_sql
from meterr.query.refusal import Position, position_of
from meterr.query.run.connection import QuestionConnection
from meterr.query.run.errors import QueryFailed, QueryTimeout, QueryTooCostly
from meterr.query.run.model import AnswerColumn, Limits, Value
from meterr.query.run.sqlstates import meaning_of
from meterr.query.run.values import kind_of

_SQL: Final = load_sql("meterr.query.run")
_NAME: Final = b"question"
_CANCELLED: Final = "57014"
# Planning computes what is constant, so it can take long, and the statement computes it again.
_QUICK_PLAN_S: Final = 0.02
_SERVER_LATE_S: Final = 0.05
# Each value comes with its length, and takes about as much around it in an answer.
_VALUE_BYTES: Final = 4
# A row is never larger than an answer; libpq reads ahead, and its buffer doubles.
_ROWS_READ_AT_ONCE: Final = 4
# PostgreSQL's arrays have six dimensions.
_DEEP: Final = b"{" * 7
_POSITION_DIGITS_MAX: Final = 9
_DONE: Final = (ExecStatus.SINGLE_TUPLE, ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)

Row = tuple[Value, ...]
Rows = tuple[tuple[AnswerColumn, ...], tuple[Row, ...], bool]


async def execute(
    connection: QuestionConnection, body: bytes, limits: Limits, text: bytes | None = None
) -> Rows:
    """
    Run ``body``, one SELECT, and return (columns, rows, truncated).

    The statement is put in brackets, so that nothing but a SELECT can be said, and sent by the
    extended protocol, which takes one statement. Places in errors are places of ``text``, in which
    ``body`` stands. Raises QueryFailed, QueryTooCostly, QueryTimeout, DatabaseUnavailable.
    """
    whole = body if text is None else text
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(limits.timeout_s + _SERVER_LATE_S):
            with _in_our_words(connection, body, whole, limits):
                await _prepare(connection, body, limits)
                cost = await _cost(connection)
                if not cost <= limits.cost_max:  # what is beyond all numbers is told as none
                    raise QueryTooCostly
                await _shorten(connection, began, limits)
                return await _rows(connection, limits)
    except TimeoutError:  # the server is in something that it cannot stop at once
        raise QueryTimeout(limits.timeout_s) from None


async def _shorten(connection: QuestionConnection, began: float, limits: Limits) -> None:
    """Leave to the statement the time that its planning did not take."""
    taken_s = asyncio.get_running_loop().time() - began
    if taken_s > _QUICK_PLAN_S:
        left_ms = max(1, int((limits.timeout_s - taken_s) * 1000))
        statement = _SQL["shorten"].replace("{milliseconds}", str(left_ms)).encode()
        connection.pgconn.send_query_params(statement, None)
        await _only_result(connection)


async def _prepare(connection: QuestionConnection, body: bytes, limits: Limits) -> None:
    """
    Let the server read the statement, by the extended protocol: one statement, or an error.

    Sent by hand: psycopg's cursors take the simple protocol, in which one text may be many
    statements, whenever they find nothing to bind or to prepare.
    """
    pgconn = connection.pgconn
    if pgconn.transaction_status != TransactionStatus.INTRANS:
        raise RuntimeError("a question runs in the transaction that was begun for it")
    pgconn.send_prepare(_NAME, _around(body, limits))
    await _only_result(connection)


async def _only_result(connection: QuestionConnection) -> PGresult:
    """Return the one result of what was sent; raise what the server says against it."""
    await connection.wait(generators.send(connection.pgconn))
    found: list[PGresult] = await connection.answer(generators.fetch_many(connection.pgconn))
    for result in found:
        if result.status not in _DONE:
            raise errors.error_from_result(result, "utf-8")
    return found[0]


async def _cost(connection: QuestionConnection) -> float:
    """Return what the planner expects; the plan itself tells of other tenants' rows."""
    connection.pgconn.send_query_params(_SQL["explain"].encode(), None)
    plan = (await _only_result(connection)).get_value(0, 0)
    match json.loads(plan or b"null"):
        case [{"Plan": {"Total Cost": int() | float() as cost}}]:
            return float(cost)
    raise QueryTooCostly


async def _rows(connection: QuestionConnection, limits: Limits) -> Rows:
    columns: tuple[AnswerColumn, ...] = ()
    rows: list[Row] = []
    bytes_left = limits.bytes_max
    async with aclosing(_results(connection, limits)) as results:
        async for columns, size, row in results:
            if row is None:
                break
            bytes_left -= size
            if len(rows) == limits.rows_max or bytes_left < 0:
                return columns, tuple(rows), True
            rows.append(row)
    return columns, tuple(rows), False


async def _results(
    connection: QuestionConnection, limits: Limits
) -> AsyncGenerator[tuple[tuple[AnswerColumn, ...], int, Row | None]]:
    """Yield (columns, bytes, row) for each row as it comes, and None for the row after the last."""
    pgconn = connection.pgconn
    pgconn.send_query_prepared(_NAME, None)
    pgconn.set_single_row_mode()
    connection.answer_bytes_max = _ROWS_READ_AT_ONCE * limits.bytes_max
    await connection.wait(generators.send(pgconn))
    transformer = Transformer(connection)
    columns: tuple[AnswerColumn, ...] | None = None
    while (result := await connection.wait(generators.fetch(pgconn))) is not None:
        if result.status not in _DONE:
            raise errors.error_from_result(result, "utf-8")
        transformer.set_pgresult(result, set_loaders=columns is None)
        columns = columns or _columns(connection, result)
        for position in range(result.ntuples):
            values = [result.get_value(position, at) or b"" for at in range(result.nfields)]
            row = transformer.load_row(position, _as_row)
            if any(_DEEP in value for value in values):
                msgspec.json.encode(row)  # what cannot be written again is no answer
            yield columns, sum(_VALUE_BYTES + len(value) for value in values), row
    yield columns or (), 0, None


def _as_row(values: object) -> Row:
    return tuple(values)  # type: ignore[arg-type]  # the loaders make these values


def _columns(connection: QuestionConnection, result: PGresult) -> tuple[AnswerColumn, ...]:
    return tuple(
        AnswerColumn(
            (result.fname(number) or b"").decode("utf-8", "replace"),
            kind_of(connection.adapters, result.ftype(number)),
        )
        for number in range(result.nfields)
    )


def _around(body: bytes, limits: Limits) -> bytes:
    before, after = _SQL["ask"].removesuffix(";").split("{body}")
    after = after.replace("{limit}", str(limits.rows_max + 1))
    return before.encode() + body + after.replace("{bytes}", str(limits.bytes_max)).encode()


@contextmanager
def _in_our_words(
    connection: QuestionConnection, body: bytes, text: bytes, limits: Limits
) -> Iterator[None]:
    """Raise our errors for the server's, of which nothing goes on, not even as a cause."""
    try:
        yield
    except psycopg.Error as error:
        raise _ours(error, connection.closed, body, text, limits) from None
    # Of an answer that cannot be read: no PostgreSQL writes a number that is none.
    except (ArithmeticError, LookupError, RecursionError, ValueError) as error:
        private = f"what the server sent cannot be read: {type(error).__name__}"
        raise outage.DatabaseUnavailable(server_absent=False, private=private) from None


def _ours(
    error: psycopg.Error, closed: bool, body: bytes, text: bytes, limits: Limits
) -> MeterrError:
    if error.sqlstate == _CANCELLED:
        return QueryTimeout(limits.timeout_s)
    if outage.is_outage(error, closed=closed):
        unavailable = outage.of(error)
        unavailable.private = f"{type(error).__name__} {error.sqlstate or ''}"
        return unavailable
    told = error.diag.statement_position
    known = told is not None and told.isdecimal() and len(told) <= _POSITION_DIGITS_MAX
    place = _position(int(told or ""), body, text) if known else None
    return QueryFailed(*meaning_of(error.sqlstate), place)


def _position(told: int, body: bytes, text: bytes) -> Position | None:
    """Turn the server's place, in characters of what we sent, into one of the caller's text."""
    offset = told - 1 - _SQL["ask"].index("{body}")
    start = max(text.find(body), 0)
    inside = body.decode("utf-8", "replace")
    if not 0 <= offset < len(inside):
        return None
    return position_of(text, start + len(inside[:offset].encode()))
