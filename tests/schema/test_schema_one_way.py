"""What has ended has ended: times that no role of ours clears or moves to later."""

from collections.abc import Mapping
from datetime import timedelta

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.errors import CheckViolation, InsufficientPrivilege

from support.rows import AT, KEK_ID, SOMEBODY, fill, insert

A = "0199aaaa-0000-7000-8000-00000000000a"
ROLES = ("meterr_owner", "meterr_app", "meterr_auth", "meterr_drain", "meterr_identity")

# What has to be true of a row beside its time.
ONE_WAY: Mapping[tuple[str, str], str] = {
    ("api_key", "revoked_at"): "state = 'revoked'",
    ("api_key", "grace_until"): "",
    ("key_encryption_key", "retired_at"): "live_kek_id = null",
    ("data_key", "retired_at"): "live_version = null, kek_id = null, wrapped = null",
    ("user_claim", "used_at"): "",
    ("passkey_ceremony", "used_at"): "",
    ("passkey", "ended_at"): "",
    ("key_succession", "followed_at"): "",
    ("signing_key", "accepted_to"): "",
    ("sign_in_challenge", "used_at"): "",
    ("limit_rule", "ended_at"): "",
    ("user_session", "ended_at"): "ended_because = 'ended'",
}
# Ends that are there to be lifted, and why that brings back nothing that was ended for cause.
MAY_COME_BACK: Mapping[tuple[str, str], str] = {
    ("membership", "ended_at"): "who is invited again is a member again, by another membership",
    ("user_account", "disabled_at"): "enabling an account is a command of its own",
    ("key_policy", "ended_at"): "a policy that is set again is in force again",
    ("verified_question", "ended_at"): "who saves the same question again vouches for it again",
    (
        "api_key",
        "due_until",
    ): "another policy may give a key that counts more time, within grace_until",
}
_ENDS = "(revoked|retired|disabled|ended|used|followed)_at|.*_until|accepted_to"


@pytest.fixture
def rows(admin_dsn: str):
    """One row in every table, none of which a foreign key holds."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        fill(connection, A)
        somebody = {"user_id": SOMEBODY}
        at = {"created_at": AT, "expires_at": AT}
        insert(connection, "user_claim", {**somebody, "digest": b"1" * 32, "expires_at": AT})
        insert(
            connection,
            "passkey_ceremony",
            {
                "digest": b"2" * 32,
                "purpose": "sign_in",
                "network": "",
                "site": "",
                "expires_at": AT,
            },
        )
        insert(
            connection,
            "passkey",
            {
                **somebody,
                "credential_id": b"3" * 16,
                "name": "x",
                "public_key": b"4" * 32,
                "sign_count": 0,
                "backed_up": False,
            },
        )
        insert(
            connection,
            "sign_in_challenge",
            {
                **somebody,
                **at,
                "digest": b"5" * 32,
                "owes": "give",
                "credentials_at": AT,
                "password_at": AT,
            },
        )
        insert(
            connection,
            "user_session",
            {
                **somebody,
                "session_id": SOMEBODY,
                "address": "",
                "user_agent": "",
                "created_at": AT,
                "seen_at": AT,
                "ends_at": AT,
                "refresh_digest": b"6" * 32,
                "pepper_id": "p1",
            },
        )
        connection.execute("set session_replication_role = origin")
        yield connection


def end(connection: Connection, table: str, column: str) -> None:
    """Let the one row of a table have ended, whatever else refers to it."""
    beside = ONE_WAY[(table, column)]
    connection.execute("set session_replication_role = replica")
    at = set_to(column, f"'{AT.isoformat()}'")
    assert 1 == change(connection, table, ", ".join(filter(None, (at, beside))))
    connection.execute("set session_replication_role = origin")


def change(connection: Connection, table: str, assignments: str) -> int:
    statement = sql.SQL("update meterr.{} set ").format(sql.Identifier(table))
    return connection.execute(
        sql.Composed([statement, sql.SQL(assignments)])  # type: ignore[arg-type]  # of this file
    ).rowcount


def set_to(column: str, value: str) -> str:
    return f"{column} = {value}"


@pytest.mark.parametrize(("table", "column"), ONE_WAY)
def test_what_has_ended_ends_no_later_and_never_not(
    rows: Connection, table: str, column: str
) -> None:
    """P5: cleared, moved to later, moved to never: refused to everybody, superusers included."""
    end(rows, table, column)
    later = f"'{(AT + timedelta(microseconds=1)).isoformat()}'"
    for role in (None, *ROLES):
        for value in ("null", later, "'infinity'"):
            with rows.transaction(force_rollback=True):
                if role is not None:
                    rows.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
                    rows.execute("select set_config('meterr.tenant_id', %s, true)", [A])
                refused = False
                try:
                    changed = change(rows, table, set_to(column, value))
                except (CheckViolation, InsufficientPrivilege):
                    refused = True
            # Without a policy for this role no row is there to be changed.
            assert refused or (role is not None and changed == 0), (role, value)
            found = rows.execute(
                sql.SQL("select {} from meterr.{}").format(
                    sql.Identifier(column), sql.Identifier(table)
                )
            ).fetchall()
            assert [(AT,)] == found, (role, value)


@pytest.mark.parametrize(
    ("table", "column"),
    [each for each in ONE_WAY if each[0] not in ("user_session", "key_succession")],
)
def test_an_end_may_come_sooner(rows: Connection, table: str, column: str) -> None:
    """A grace that is cut short is no way back."""
    end(rows, table, column)
    sooner = f"'{(AT - timedelta(hours=1)).isoformat()}'"
    assert 1 == change(rows, table, set_to(column, sooner))


def test_every_end_in_the_schema_is_kept_or_may_come_back_for_a_reason(rows: Connection) -> None:
    """A new table's end is thought about before it is merged."""
    found = rows.execute(
        """select c.relname, a.attname
             from pg_attribute a join pg_class c on c.oid = a.attrelid
            where c.relnamespace = 'meterr'::regnamespace and c.relkind in ('r', 'p')
              and not c.relispartition and a.atttypid = 'timestamptz'::regtype
              and a.attname ~ %s""",
        [f"^({_ENDS})$"],
    ).fetchall()
    assert {*ONE_WAY, *MAY_COME_BACK} == set(found)


def test_a_key_that_nobody_follows_stays_so(rows: Connection) -> None:
    """Issue 4.3: revoked by hand is for good."""
    change(rows, "api_key", "state = 'revoked', revoked_at = now(), for_good = true")
    with pytest.raises(CheckViolation):
        change(rows, "api_key", "for_good = false")


def test_a_key_that_counts_is_not_for_good(rows: Connection) -> None:
    """The mark is of revoked keys."""
    with pytest.raises(CheckViolation):
        change(rows, "api_key", "for_good = true")
    assert (KEK_ID,) == rows.execute("select kek_id from meterr.key_encryption_key").fetchone()
