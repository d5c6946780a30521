"""Tables about people: who may touch them, and what the database itself holds to."""

import json
import uuid

import psycopg
import pytest
from psycopg import Connection
from test_schema_catalogue import grants

from support.rows import SEALED, SOMEBODY, fill, insert, row_of

A = "0199aaaa-0000-7000-8000-00000000000a"
PLATFORM = str(uuid.UUID(int=0))
PEOPLE = {
    "user_account",
    "membership",
    "user_claim",
    "user_password",
    "totp_factor",
    "passkey",
    "passkey_ceremony",
    "recovery_codes",
    "sign_in_window",
    "api_window",
    "user_session",
    "sign_in_challenge",
}
VIEWS = {"role_for_authentication", "verifying_key"}


@pytest.fixture
def admin(admin_dsn: str):
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        fill(connection, A)
        insert(connection, "data_key", row_of("data_key", PLATFORM))
        yield connection


def test_only_the_role_of_people_touches_what_people_sign_in_with(admin: Connection) -> None:
    """3.1, row 10: hash columns are out of reach of the API's role; memberships it may read."""
    touching = {(table, role) for table, role, _ in grants(admin) if table in PEOPLE}
    assert {(table, "meterr_identity") for table in PEOPLE} | {("membership", "meterr_app")} == (
        touching
    )
    assert {"SELECT"} == {
        privilege
        for table, role, privilege in grants(admin)
        if (table, role) == ("membership", "meterr_app")
    }


def test_the_role_of_people_touches_nothing_else(admin: Connection) -> None:
    """No key, no price, no ledger: what signs people in reads only people, and a wrapped key."""
    tables = {table for table, role, _ in grants(admin) if role == "meterr_identity"}
    assert PEOPLE | VIEWS | {"data_key", "notice"} == tables
    functions = admin.execute(
        """select p.proname from pg_proc p, aclexplode(p.proacl) x
            where p.pronamespace = 'meterr'::regnamespace
              and x.grantee = 'meterr_identity'::regrole order by 1"""
    ).fetchall()
    told = {"make_room_for_challenge", "notify_person", "prune_notices", "record_event"}
    assert told | {"prune_people", "prune_sessions"} == {name for (name,) in functions}


def test_the_role_of_people_uses_the_platforms_data_keys_and_no_others(admin: Connection) -> None:
    """S1:222, TOTP secrets: it reads a wrapped key and holds it, and can change and make none."""
    admin.execute("set role meterr_identity")
    held = admin.execute("select tenant_id::text from meterr.data_key for key share").fetchall()
    assert [(PLATFORM,)] == held
    for statement in (
        "update meterr.data_key set created_at = now()",
        "update meterr.data_key set wrapped = null",
        "delete from meterr.data_key",
        "insert into meterr.data_key (tenant_id, version) values (gen_random_uuid(), 1)",
        "select from meterr.key_encryption_key",
        "select from meterr.provider_credential",
        "select from meterr.list_data_keys()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute(statement)


def test_a_totp_secret_keeps_its_data_key_alive(admin: Connection) -> None:
    """S1:230: PostgreSQL refuses to let a key retire that a factor is sealed under."""
    row = {"user_id": SOMEBODY, "factor_id": uuid.uuid4(), "sealed": SEALED}
    assert 1 == insert(admin, "totp_factor", row)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        admin.execute(
            """update meterr.data_key set live_version = null, kek_id = null, wrapped = null,
                      retired_at = now() where tenant_id = %s""",
            [PLATFORM],
        )


def test_nobody_changes_an_address_an_id_or_a_version(admin: Connection) -> None:
    """An account is its address; a version is the database's own."""
    columns = {
        name
        for (name,) in admin.execute(
            """select a.attname from pg_attribute a, aclexplode(a.attacl) x
                where a.attrelid in ('meterr.user_account'::regclass, 'meterr.membership'::regclass)
                  and x.privilege_type = 'UPDATE'"""
        ).fetchall()
    }
    assert {
        "state",
        "disabled_at",
        "credentials_changed_at",
        "role",
        "created_at",  # a membership that begins again
        "ended_at",
    } == columns


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("membership", {"tenant_id": A, "role": "super_admin"}),
        ("membership", {"tenant_id": PLATFORM, "role": "admin"}),
        ("membership", {"tenant_id": A, "role": "owner"}),
        ("user_password", {"hash": "$2b$12$abc", "short": False}),
        ("totp_factor", {"factor_id": uuid.UUID(int=1), "state": "active", "sealed": None}),
        ("totp_factor", {"factor_id": uuid.UUID(int=1), "state": "ended", "sealed": SEALED}),
        ("totp_factor", {"factor_id": uuid.UUID(int=1), "sealed": b"plain text, and no short one"}),
        ("recovery_codes", {"digests": [b"x"] * 11}),
        ("user_claim", {"digest": b"x" * 31, "expires_at": "2026-11-22"}),
        ("user_claim", {"digest": b"x" * 32, "expires_at": "2026-11-22", "joins_tenant": A}),
    ],
    ids=str,
)
def test_a_row_that_makes_no_sense_is_refused(
    admin: Connection, table: str, row: dict[str, object]
) -> None:
    """S1:312: an unknown role is an error; S2:76: what is no argon2id hash is none."""
    admin.execute("delete from meterr.membership")
    with pytest.raises(psycopg.errors.CheckViolation):
        insert(admin, table, {"user_id": SOMEBODY, **row})


def test_a_membership_is_of_a_tenant_that_exists(admin: Connection) -> None:
    """Or of the platform, which is none."""
    stranger = {"tenant_id": uuid.uuid4(), "user_id": SOMEBODY, "role": "user"}
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        insert(admin, "membership", stranger)
    platform = {"tenant_id": PLATFORM, "user_id": SOMEBODY, "role": "super_admin"}
    assert 1 == insert(admin, "membership", platform)


def test_one_factor_of_each_state_per_person(admin: Connection) -> None:
    """Two secrets in use would be two codes that count at once."""
    row = {"user_id": SOMEBODY, "state": "active", "sealed": SEALED}
    assert 1 == insert(admin, "totp_factor", {**row, "factor_id": uuid.uuid4()})
    assert 0 == insert(admin, "totp_factor", {**row, "factor_id": uuid.uuid4()})


def test_a_change_of_credentials_wakes_no_keys(admin: Connection, database_url: str) -> None:
    """It is told under the nil id; only a change of state makes tenants' keys be read again."""
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("listen meterr_identity")
        admin.execute("update meterr.user_account set credentials_changed_at = now()")
        admin.execute("update meterr.user_account set state = 'disabled', disabled_at = now()")
        heard = [json.loads(n.payload) for n in listener.notifies(timeout=30, stop_after=3)]
    assert [PLATFORM, *sorted([PLATFORM, A])] == [
        heard[0]["tenant_id"],
        *sorted(each["tenant_id"] for each in heard[1:]),
    ]
    assert {str(SOMEBODY)} == {each["user_id"] for each in heard}
