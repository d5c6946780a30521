"""Tenants and keys: versions, announcements, and that revoked means revoked."""

import json

import psycopg
import pytest
from psycopg import Connection

from support.rows import insert, row_of

A = "0199aaaa-0000-7000-8000-00000000000a"


@pytest.fixture
def app(database_url: str):
    with psycopg.connect(
        database_url,
        autocommit=True,
        options=f"-c role=meterr_app -c meterr.tenant_id={A}",
    ) as connection:
        yield connection


@pytest.fixture
def listener(database_url: str):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("listen meterr_identity")
        yield connection


def heard(listener: Connection, count: int) -> list[dict[str, object]]:
    return [json.loads(n.payload) for n in listener.notifies(timeout=30, stop_after=count)]


def version_of(app: Connection, table: str) -> int:
    row = app.execute(f"select version from meterr.{table}").fetchone()
    assert row is not None
    return row[0]


def test_every_change_takes_a_higher_version_and_is_announced(
    app: Connection, listener: Connection
) -> None:
    """P5: a snapshot that saw version n can ignore whatever is older."""
    key = row_of("api_key", A)
    insert(app, "tenant", row_of("tenant", A))
    insert(app, "api_key", key)
    app.execute("update meterr.api_key set state = 'revoked', revoked_at = now()")
    app.execute("update meterr.tenant set state = 'disabled'")

    tenant_made, made, revoked, disabled = heard(listener, 4)

    mac = bytes(key["mac"]).hex()  # type: ignore[call-overload]  # a bytes column
    assert {"tenant_id": A, "version": tenant_made["version"]} == tenant_made
    assert {"key_id": str(key["key_id"]), "mac": mac, "version": made["version"]} == made
    assert (mac, version_of(app, "api_key")) == (revoked["mac"], revoked["version"])
    assert {"tenant_id": A, "version": version_of(app, "tenant")} == disabled
    versions = [n["version"] for n in (tenant_made, made, revoked, disabled)]
    assert sorted(set(versions)) == versions


def test_a_change_that_was_rolled_back_is_not_announced(
    app: Connection, listener: Connection
) -> None:
    """Only what was committed exists."""
    with app.transaction(force_rollback=True):
        insert(app, "tenant", row_of("tenant", A))
    row = row_of("tenant", A)
    insert(app, "tenant", row)

    (only,) = heard(listener, 1)

    assert version_of(app, "tenant") == only["version"]


def test_nobody_chooses_a_version(app: Connection) -> None:
    """A version written by hand could hide a revocation."""
    insert(app, "tenant", {**row_of("tenant", A), "version": 10**15})

    assert version_of(app, "tenant") < 10**6


def test_a_revoked_key_stays_revoked(app: Connection) -> None:
    """P5, for ever."""
    insert(app, "tenant", row_of("tenant", A))
    insert(app, "api_key", row_of("api_key", A))
    app.execute("update meterr.api_key set state = 'revoked', revoked_at = now()")

    with pytest.raises(psycopg.errors.CheckViolation, match="stays revoked"):
        app.execute("update meterr.api_key set state = 'active', revoked_at = null")


def test_a_revocation_has_its_time(app: Connection) -> None:
    """State and time cannot contradict each other."""
    insert(app, "tenant", row_of("tenant", A))
    insert(app, "api_key", row_of("api_key", A))

    with pytest.raises(psycopg.errors.CheckViolation):
        app.execute("update meterr.api_key set state = 'revoked'")


@pytest.mark.parametrize(
    "name", ["Mars/Base", "XYZ5", "+02", "europe/berlin", "EST5EDT4", "", " UTC", "localtime"]
)
def test_a_time_zone_that_no_clock_has_is_refused(app: Connection, name: str) -> None:
    """Issue 3: budgets begin by it; whoever writes by hand is told at once, not their callers."""
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="time zone"):
        insert(app, "tenant", {**row_of("tenant", A), "time_zone": name})
    insert(app, "tenant", {**row_of("tenant", A), "time_zone": "Europe/Berlin"})
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="time zone"):
        app.execute("update meterr.tenant set time_zone = %s", (name,))
    app.execute("update meterr.tenant set time_zone = 'UTC', name = 'other'")


def test_the_view_follows_key_and_tenant(app: Connection, database_url: str) -> None:
    """What the authenticator reads is as new as the newer of the two."""
    insert(app, "tenant", row_of("tenant", A))
    insert(app, "api_key", row_of("api_key", A))
    app.execute("update meterr.tenant set state = 'disabled', unknown_price = 'flag'")

    with psycopg.connect(database_url, options="-c role=meterr_auth") as auth:
        row = auth.execute(
            """select key_state, tenant_state, unknown_price, version
                 from meterr.key_for_authentication"""
        ).fetchone()

    assert ("active", "disabled", "flag", version_of(app, "tenant")) == row
