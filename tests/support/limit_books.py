"""Limits as a superuser sees them, beside all walls: rules, pools, leases and what was spent."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import psycopg
from psycopg.rows import class_row

_SET = """
    insert into meterr.limit_rule
           (tenant_id, limit_id, measure, scope, subject, span, amount, hard)
    values (%(tenant_id)s, %(limit_id)s, %(measure)s, %(scope)s, %(subject)s, %(span)s,
            %(amount)s, true)
"""
_CHANGE = "update meterr.limit_rule set amount = %s where limit_id = %s"
_END = "update meterr.limit_rule set ended_at = now() where limit_id = %s"
_TAKEN = "select taken from meterr.limit_pool where limit_id = %s"
_BOOKS = """
    select (select coalesce(sum(taken), 0) from meterr.limit_pool where limit_id = %(limit_id)s)
             as taken,
           (select coalesce(sum(spent), 0) from meterr.limit_pool where limit_id = %(limit_id)s)
             as pool_spent,
           (select coalesce(sum(granted - returned - spent), 0) from meterr.limit_lease
             where limit_id = %(limit_id)s and process::text = any (%(living)s)) as held_by_living,
           (select coalesce(sum(granted - returned - spent), 0) from meterr.limit_lease
             where limit_id = %(limit_id)s and process::text <> all (%(living)s)) as held_by_dead,
           (select coalesce(sum(cost_usd), 0) from meterr.ledger_entry
             where key_id::text = %(key_id)s) as ledger_usd,
           (select coalesce(sum(coalesce(drawn_usd, cost_usd)), 0) from meterr.ledger_entry
             where key_id::text = %(key_id)s) as drawn_usd,
           (select count(*) from meterr.ledger_entry
             where key_id::text = %(key_id)s and state <> 'refused') as calls
"""
_LOOK_S = 0.002
_AWAY_S = 0.02


@dataclass(frozen=True)
class Books:
    """One limit of one key at one moment; amounts in US dollars."""

    taken: Decimal
    pool_spent: Decimal
    held_by_living: Decimal
    held_by_dead: Decimal
    ledger_usd: Decimal
    drawn_usd: Decimal
    calls: int


def set_limit(
    admin_dsn: str,
    tenant_id: str,
    *,
    measure: str,
    span: str,
    amount: Decimal | int,
    scope: str = "tenant",
    subject: str = "",
) -> str:
    """Put a hard rule in force and return its id."""
    values = {
        "tenant_id": tenant_id,
        "limit_id": str(uuid.uuid4()),
        "measure": measure,
        "scope": scope,
        "subject": subject,
        "span": span,
        "amount": amount,
    }
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(_SET, values)
    return str(values["limit_id"])


def change_limit(admin_dsn: str, limit_id: str, amount: int) -> None:
    """Give a rule another amount."""
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(_CHANGE, (amount, limit_id))


def end_limit(admin_dsn: str, limit_id: str) -> None:
    """End a rule."""
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(_END, (limit_id,))


def books(admin_dsn: str, limit_id: str, key_id: str, living: list[str]) -> Books:
    """Return what stands in the books; ``living`` are the journal folders of living processes."""
    values = {"limit_id": limit_id, "key_id": key_id, "living": living}
    with (
        psycopg.connect(admin_dsn) as connection,
        connection.cursor(row_factory=class_row(Books)) as cursor,
    ):
        found = cursor.execute(_BOOKS, values).fetchone()
    assert found is not None
    return found


@dataclass
class Samples:
    """Everything that a sampler saw of one pool."""

    count: int = 0
    highest: Decimal = field(default_factory=Decimal)


@contextmanager
def sampled(admin_dsn: str, limit_id: str) -> Iterator[Samples]:
    """Read how much of a limit is taken, again and again, through every outage of the server."""
    samples = Samples()
    leaving = threading.Event()

    def look() -> None:
        with psycopg.connect(admin_dsn, autocommit=True, connect_timeout=2) as connection:
            while not leaving.wait(_LOOK_S):
                rows = connection.execute(_TAKEN, (limit_id,)).fetchall()
                samples.count += 1
                samples.highest = max([samples.highest, *(taken for (taken,) in rows)])

    def run() -> None:
        while not leaving.wait(_AWAY_S):
            try:
                look()
            except psycopg.OperationalError:  # killed; there is nothing to see meanwhile
                continue

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield samples
    finally:
        leaving.set()
        thread.join()
