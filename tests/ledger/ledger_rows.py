"""Ledger entries for tests, written as the drain writes them: by its role, in plain SQL."""

from collections.abc import Iterable
from datetime import date
from hashlib import sha256
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from meterr.core.clock import as_datetime
from meterr.ledger.model import Price

KEY = "0199aaaa-0000-7000-8000-0000000000aa"


def id_at(unix_ms: int, number: int = 0) -> str:
    """Return a UUIDv7 of that millisecond."""
    digits = f"{unix_ms:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-{number:012x}"


def entry(tenant: str, unix_ms: int, number: int = 0, **changes: Any) -> dict[str, Any]:
    """Return the columns of a settled call of 1,000 tokens in and 100 out for 0.003 USD."""
    fields = {
        "tenant_id": tenant,
        "id": id_at(unix_ms, number),
        "at": as_datetime(unix_ms),
        "key_id": KEY,
        "surface": "openai.chat",
        "upstream": "openai",
        "provider": "openai",
        "model": "gpt-4.1",
        "state": "settled",
        "status": 200,
        "outcome": "complete",
        "usage_known": True,
        "input": 1_000,
        "output": 100,
        "cost_usd": "0.003",
    }
    return {**fields, **changes}


def insert(dsn: str, rows: Iterable[dict[str, Any]]) -> None:
    with psycopg.connect(dsn, options="-c role=meterr_drain") as conn:
        for row in rows:
            conn.execute(
                sql.SQL("INSERT INTO meterr.ledger_entry ({}) VALUES ({})").format(
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(map(sql.Placeholder, row)),
                ),
                row,
            )


def make_tenant(
    dsn: str, tenant: str, *, unknown_price: str = "refuse", keys: Iterable[str] = (KEY,)
) -> None:
    with psycopg.connect(dsn, options="-c role=meterr_app") as conn:
        conn.execute("SELECT set_config('meterr.tenant_id', %s, true)", (tenant,))
        conn.execute(
            "INSERT INTO meterr.tenant (tenant_id, name, unknown_price) VALUES (%s, %s, %s)",
            (tenant, f"tenant {tenant}", unknown_price),
        )
        for key in keys:
            conn.execute(
                "INSERT INTO meterr.api_key"
                " (tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes)"
                " VALUES (%s, %s, 'a key', 'live', %s, 'p1', 'abcd', '{chat}')",
                (tenant, key, sha256(f"{tenant}{key}".encode()).digest()),
            )


def insert_price(dsn: str, price: Price) -> None:
    with psycopg.connect(dsn, options="-c role=meterr_drain") as conn:
        conn.execute(
            "INSERT INTO meterr.price_version"
            " (price_id, provider, model, match, source, context, rates)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (price.id, price.provider, price.model, price.match, price.source, price.context,
             msgspec.json.encode(price.rates).decode()),
        )  # fmt: skip


def make_partitions(dsn: str, first: date, last: date) -> None:
    with psycopg.connect(dsn, options="-c role=meterr_drain") as conn:
        conn.execute("SELECT meterr.ensure_ledger_partitions(%s, %s)", (first, last))


def run_as_admin(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn) as conn:
        for statement in statements:
            conn.execute(statement)
