"""P4 at its root: what one tenant's transaction can do to another's rows. Nothing."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import Connection, sql

from support.catalogue import relations_with_tenant_id
from support.rows import TENANT_TABLES, TENANT_VIEWS, fill, insert, row_of

A = "0199aaaa-0000-7000-8000-00000000000a"
B = "0199bbbb-0000-7000-8000-00000000000b"


@pytest.fixture
def two_tenants(admin_dsn: str) -> str:
    """DSN (superuser) of a database in which A and B have a row in every tenant table."""
    with psycopg.connect(admin_dsn) as connection:
        for tenant_id in (A, B):
            fill(connection, tenant_id)
    return admin_dsn


@contextmanager
def acting(dsn: str, role: str, tenant_id: str | None = None) -> Iterator[Connection]:
    """Yield a transaction as ``role``, for ``tenant_id``, that is rolled back."""
    with psycopg.connect(dsn, options=f"-c role={role}") as connection:
        if tenant_id is not None:
            connection.execute("select set_config('meterr.tenant_id', %s, true)", [tenant_id])
        yield connection
        connection.rollback()


def all_relations(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return sorted(relations_with_tenant_id(connection))


def tenants_in(connection: Connection, relation: str) -> set[str]:
    statement = sql.SQL("select distinct tenant_id::text from meterr.{}")
    rows = connection.execute(statement.format(sql.Identifier(relation))).fetchall()
    return {tenant for (tenant,) in rows}


def readable(connection: Connection, relation: str) -> bool:
    statement = "select has_any_column_privilege('meterr.' || %s, 'SELECT')"
    row = connection.execute(statement, [relation]).fetchone()
    return row is not None and row[0]


def test_a_tenant_reads_its_own_rows_and_no_others_through_anything(two_tenants: str) -> None:
    """S2:56, P4: every table and view that has a tenant_id, as found in the catalogue."""
    seen = {}
    for relation in all_relations(two_tenants):
        with acting(two_tenants, "meterr_app", A) as connection:
            if readable(connection, relation):
                seen[relation] = tenants_in(connection, relation)

    assert {name: {A} for name in (*TENANT_TABLES, *TENANT_VIEWS)} == seen


def test_without_a_tenant_nothing_is_there_and_nothing_fails(two_tenants: str) -> None:
    """S2:60: never set, and set earlier on the same connection: zero rows, no error."""
    for table in TENANT_TABLES:
        with acting(two_tenants, "meterr_app") as connection:
            assert set() == tenants_in(connection, table)
        with acting(two_tenants, "meterr_app", A) as connection:
            connection.commit()
            assert set() == tenants_in(connection, table)


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_tenant_cannot_write_a_row_for_another(two_tenants: str, table: str) -> None:
    """S2:59, P4: WITH CHECK, or no grant at all."""
    with (
        acting(two_tenants, "meterr_app", A) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        insert(connection, table, row_of(table, B))


@pytest.mark.parametrize("table", ["tenant", "api_key"])
def test_without_a_tenant_nothing_can_be_written(two_tenants: str, table: str) -> None:
    """Forgetting the setting writes nothing, for nobody."""
    with (
        acting(two_tenants, "meterr_app") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        insert(connection, table, row_of(table, A))


@pytest.mark.parametrize("change", ["tenant set name = 'taken'", "api_key set for_good = for_good"])
def test_an_update_of_everything_touches_only_ones_own(two_tenants: str, change: str) -> None:
    """P4: an UPDATE without WHERE is confined by the policy."""
    with acting(two_tenants, "meterr_app", A) as connection:
        assert 1 == connection.execute(f"update meterr.{change}").rowcount


@pytest.mark.parametrize(
    "statement",
    [
        "update meterr.api_key set tenant_id = %(b)s",
        "update meterr.tenant set tenant_id = %(b)s",
        "update meterr.api_key set mac = decode(repeat('00', 32), 'hex')",
        "update meterr.api_key set scopes = '{chat,embeddings,models}'",
        "update meterr.api_key set models = null",
        "update meterr.api_key set expires_at = null",
        "update meterr.api_key set owner = 'somebody'",
        "update meterr.ledger_entry set cost_usd = 0",
        "delete from meterr.ledger_entry",
        "delete from meterr.api_key",
        "truncate meterr.ledger_entry",
        "select * from meterr.ledger_entry_default",
        "select * from meterr.key_for_authentication",
        "alter table meterr.tenant disable row level security",
        "create policy mine on meterr.tenant using (true)",
        "create table meterr.mine (x int)",
        "create function meterr.mine() returns int language sql return 1",
        "set session_replication_role = replica",
        "select nextval('meterr.identity_version')",
    ],
)
def test_the_app_is_refused(database_url: str, statement: str) -> None:
    """Neither moving a row, nor changing what was written, nor changing the rules."""
    with (
        acting(database_url, "meterr_app", A) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement, {"b": B})


def test_switching_row_security_off_is_an_error_and_no_rows(two_tenants: str) -> None:
    """row_security = off asks PostgreSQL to fail rather than to filter."""
    with acting(two_tenants, "meterr_app", A) as connection:
        connection.execute("set local row_security = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tenants_in(connection, "tenant")


def test_the_drain_appends_for_any_tenant_and_reads_none(two_tenants: str) -> None:
    """Contract of the drain: idempotent appends, no look at anything."""
    with acting(two_tenants, "meterr_drain") as connection:
        for tenant_id in (A, B, str(uuid.uuid4())):
            row = row_of("ledger_entry", tenant_id)
            assert 1 == insert(connection, "ledger_entry", row)
            assert 0 == insert(connection, "ledger_entry", row)
        for relation in all_relations(two_tenants):
            assert not readable(connection, relation)


def test_the_authenticator_sees_the_view_and_only_the_view(two_tenants: str) -> None:
    """DESIGN 6: it must look a key up before anybody knows whose it is."""
    with acting(two_tenants, "meterr_auth") as connection:
        seen = {r for r in all_relations(two_tenants) if readable(connection, r)}
        assert {"key_for_authentication"} == seen
        assert {A, B} == tenants_in(connection, "key_for_authentication")


def test_the_operator_can_list_tenants_but_must_then_act_as_one(two_tenants: str) -> None:
    """Cross-tenant commands go tenant by tenant."""
    with acting(two_tenants, "meterr_app") as connection:
        rows = connection.execute("select tenant_id::text from meterr.list_tenants()").fetchall()
        assert {(A,), (B,)} == set(rows)


def test_the_operator_can_list_tenants_that_only_the_ledger_knows(
    two_tenants: str, database_url: str
) -> None:
    """P4, P7: their ids and no more, in and out of the default partition; for the app alone."""
    strangers = ["0199aaaa-0000-7000-8000-000000000000", "0199cccc-0000-7000-8000-00000000000c"]
    statement = "select tenant_id::text from meterr.list_unknown_tenants()"
    with acting(two_tenants, "meterr_app", A) as connection:
        assert [] == connection.execute(statement).fetchall()
    with psycopg.connect(two_tenants) as connection:
        for stranger in strangers:
            insert(connection, "ledger_entry", row_of("ledger_entry", stranger))
            insert(connection, "ledger_entry", row_of("ledger_entry", stranger))
    with psycopg.connect(database_url, options="-c role=meterr_drain") as connection:
        connection.execute("select meterr.ensure_ledger_partitions('2026-11-22', '2026-11-23')")
    with psycopg.connect(two_tenants) as connection:
        insert(connection, "ledger_entry", row_of("ledger_entry", strangers[1]))
    with acting(two_tenants, "meterr_app", A) as connection:
        assert [(each,) for each in strangers] == connection.execute(statement).fetchall()
        assert {A} == tenants_in(connection, "ledger_entry")
    for role in ("meterr_auth", "meterr_drain"):
        with (
            acting(two_tenants, role) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def test_a_partition_read_by_name_shows_nothing_even_to_its_owner(two_tenants: str) -> None:
    """Forced row security without a policy, on every partition."""
    with acting(two_tenants, "meterr_owner") as connection:
        assert set() == tenants_in(connection, "ledger_entry_default")
