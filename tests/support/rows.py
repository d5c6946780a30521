"""Rows of two tenants in every table that belongs to a tenant."""

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from psycopg import Connection, sql

from meterr.ledger.model import Usage

KEK_ID = "k1"
SEALED = b"\x01\x00\x00\x00\x01" + bytes(28)  # as far as the database can tell
SOMEBODY = uuid.UUID(int=2)
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
_COUNTS = ("calls", "refused", "interrupted", "failed", "unpriced", "estimated", "partial")
_SUMS: Mapping[str, object] = {
    "key_id": uuid.UUID(int=1),
    **dict.fromkeys(("model", "answered_model", "provider", "upstream", "surface"), "a"),
    **dict.fromkeys(("state", "outcome"), "a"),
    **dict.fromkeys((*_COUNTS, *Usage.__struct_fields__), 1),
}


def _key_of(tenant_id: str) -> uuid.UUID:
    """Return the id of the one key that a tenant has here."""
    return uuid.uuid5(uuid.NAMESPACE_OID, tenant_id)


def _key_rows(tenant_id: str) -> dict[str, dict[str, object]]:
    """Return a row of each table about the tenant's one key."""
    return {
        "key_emergency": {
            "tenant_id": tenant_id,
            "emergency_id": uuid.uuid4(),
            "reason": "drill",
            "author": "ops",
            "keys": 1,
            "codes": 0,
        },
        "key_succession": {
            "tenant_id": tenant_id,
            "successor_id": uuid.uuid4(),
            "key_id": _key_of(tenant_id),
            "kind": "asked",
            "reason": "leaver",
            "author": "ops",
            "followed_at": AT,
        },
        "key_policy": {
            "tenant_id": tenant_id,
            "key_id": uuid.uuid4(),
            "max_age": timedelta(days=90),
            "notice": timedelta(days=14),
            "grace": timedelta(days=7),
            "author": "ops",
        },
        "key_use": {"tenant_id": tenant_id, "key_id": _key_of(tenant_id), "last_used_at": AT},
        "key_caller": {
            "tenant_id": tenant_id,
            "key_id": _key_of(tenant_id),
            "address": "192.0.2.1",
            "user_agent": "curl",
            "calls": 1,
            "first_at": AT,
            "last_at": AT,
        },
    }


def row_of(table: str, tenant_id: str) -> dict[str, object]:
    """Return a valid row of ``table`` that belongs to ``tenant_id``."""
    rows: Mapping[str, dict[str, object]] = {
        "tenant": {"tenant_id": tenant_id, "name": f"tenant {uuid.uuid4()}"},
        "api_key": {
            "tenant_id": tenant_id,
            "key_id": _key_of(tenant_id),
            "name": "a key",
            "environment": "live",
            "mac": os.urandom(32),
            "pepper_id": "p1",
            "last4": "abcd",
            "scopes": ["chat"],
        },
        "ledger_entry": {
            "tenant_id": tenant_id,
            "id": uuid.uuid4(),
            "at": AT,
            "key_id": uuid.uuid4(),
            "surface": "openai.chat",
            "upstream": "openai",
            "provider": "openai",
            "model": "gpt-5",
            "state": "settled",
            "usage_known": True,
        },
        **_limit_rows(tenant_id),
        "usage_hour": {"tenant_id": tenant_id, "hour": AT, **_SUMS},
        "usage_day": {"tenant_id": tenant_id, "day": AT.replace(hour=0), **_SUMS},
        "rollup_due": {"tenant_id": tenant_id, "hour": AT},
        **_sealed_rows(tenant_id),
        "membership": {"tenant_id": tenant_id, "user_id": SOMEBODY, "role": "user"},
        **_question_rows(tenant_id),
        **_key_rows(tenant_id),
        "security_event": _event(tenant_id),
    }
    return rows[table]


def _limit_rows(tenant_id: str) -> Mapping[str, dict[str, object]]:
    return {
        "limit_rule": {
            "tenant_id": tenant_id,
            "limit_id": uuid.uuid4(),
            "measure": "usd",
            "scope": "owner",
            "subject": f"owner {uuid.uuid4()}",
            "span": "month",
            "amount": 5,
        },
        "limit_pool": {"tenant_id": tenant_id, "limit_id": uuid.uuid4(), "starts_at": AT},
        "limit_lease": {
            "tenant_id": tenant_id,
            "limit_id": uuid.uuid4(),
            "starts_at": AT,
            "process": uuid.uuid4(),
            "expires_at": AT,
        },
        "limit_event": {
            "tenant_id": tenant_id,
            "limit_id": uuid.uuid4(),
            "starts_at": AT,
            "percent": 50,
            "spent": 3,
            "amount": 5,
        },
    }


def _event(tenant_id: str) -> dict[str, object]:
    texts = ("actor_kind", "actor_id", "target_kind", "target_id", "network")
    return {
        "tenant_id": tenant_id,
        "at": AT,
        "id": uuid.uuid4(),
        "kind": "key.created",
        "severity": "info",
        "outcome": "done",
        **dict.fromkeys(texts, ""),
        "detail": "{}",
    }


def _question_rows(tenant_id: str) -> Mapping[str, dict[str, object]]:
    return {
        "verified_question": {
            "tenant_id": tenant_id,
            "question_id": uuid.uuid4(),
            "source": "usage",
            "question": f"how many, {uuid.uuid4()}?",
            "sql": "select 1",
            "author": "a test",
        },
    }


def _sealed_rows(tenant_id: str) -> Mapping[str, dict[str, object]]:
    return {
        "data_key": {
            "tenant_id": tenant_id,
            "version": 1,
            "live_version": 1,
            "kek_id": KEK_ID,
            "wrapped": os.urandom(61),
        },
        "provider_credential": {
            "tenant_id": tenant_id,
            "upstream": f"upstream {uuid.uuid4()}",
            "secret": SEALED,
            "created_by": "a test",
        },
        "query_role": {
            "tenant_id": tenant_id,
            "role_name": f"mq_{uuid.uuid4().hex}",
            "password": SEALED,
        },
        "query_source": {
            "tenant_id": tenant_id,
            "name": f"s{uuid.uuid4().hex}",
            "url": SEALED,
            "place": "db.example:5432/shop",
            "shape": "{}",
            "created_by": "a test",
        },
        "signing_key": {
            "tenant_id": tenant_id,
            "kid": f"s-{uuid.uuid4()}",
            "state": "gone",
            "public_key": os.urandom(32),
            "created_at": AT,
            "accepted_to": AT,
        },
    }


TENANT_TABLES = (  # parents first
    "tenant",
    "api_key",
    "ledger_entry",
    "limit_rule",
    "limit_pool",
    "limit_lease",
    "limit_event",
    "usage_hour",
    "usage_day",
    "rollup_due",
    "data_key",
    "provider_credential",
    "membership",
    "key_emergency",
    "key_succession",
    "key_policy",
    "key_use",
    "key_caller",
    "verified_question",
    "signing_key",
    "security_event",
    "query_role",
    "query_source",
)
TENANT_VIEWS = ("entry_figures",)


def insert(connection: Connection, table: str, row: Mapping[str, object]) -> int:
    """Insert one row and return how many were inserted; a row that is there already is none."""
    statement = sql.SQL("insert into meterr.{} ({}) values ({}) on conflict do nothing").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    return connection.execute(statement, row).rowcount


def note_key(connection: Connection) -> None:
    """Insert the key-encryption key that data keys here are under."""
    key = {"kek_id": KEK_ID, "live_kek_id": KEK_ID, "verifier": os.urandom(32)}
    insert(connection, "key_encryption_key", key)


def fill(connection: Connection, tenant_id: str) -> None:
    """Insert one row of ``tenant_id`` into every tenant table."""
    note_key(connection)
    somebody = {"user_id": SOMEBODY, "email": "a@b.example", "shown_email": "A@b.example"}
    insert(connection, "user_account", somebody)
    for table in TENANT_TABLES:
        insert(connection, table, row_of(table, tenant_id))
