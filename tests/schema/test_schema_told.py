"""What a role of ours can change without an event: read from the grants, each for a reason."""

import uuid
from collections.abc import Mapping
from typing import Final

import psycopg
import pytest
from psycopg import Connection

from meterr.core.db import Role
from support.rows import SOMEBODY, fill

A: Final = "0199aaaa-0000-7000-8000-00000000000a"
PLATFORM: Final = str(uuid.UUID(int=0))
NEW: Final = "0199aaaa-0000-7000-8000-00000000000b"
OTHER: Final = "0199aaaa-0000-7000-8000-00000000000c"
_HASH: Final = "'$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$'"
_MAC: Final = "sha256(gen_random_uuid()::text::bytea)"

# What a change of each column alone is, in SQL. All of these leave an event.
TOLD: Final[Mapping[str, tuple[str, ...]]] = {
    "tenant": (
        "name = 'other'",
        "state = 'disabled'",
        "unknown_price = 'flag'",
        "time_zone = 'Europe/Berlin'",
    ),
    "api_key": (
        "state = 'revoked', revoked_at = now()",
        "state = 'revoked', revoked_at = now(), for_good = true",
        "state = 'revoked', revoked_at = now(), successor_id = first_key_id",
        "successor_id = first_key_id",
        "grace_until = now()",
        "due_at = now(), due_until = now()",
    ),
    "limit_rule": ("amount = 7", "hard = false", "ended_at = now()"),
    "key_encryption_key": ("live_kek_id = null, retired_at = now()",),
    "provider_credential": (
        "secret = set_byte(secret, 20, 7)",
        "secret = null",
        "last4 = 'abcd'",
        "created_at = now()",
        "created_by = 'somebody else'",
    ),
    "user_account": ("state = 'disabled', disabled_at = now()",),
    "membership": (
        "role = 'admin'",
        "created_at = created_at - interval '1 day'",
        "ended_at = now()",
    ),
    "user_password": (
        f"hash = {_HASH} || 'mine'",
        "hash = '$argon2id$mine'",
        "short = not short",
        "changed_at = now()",
    ),
    "totp_factor": ("sealed = set_byte(sealed, 20, 7)", "state = 'ended', sealed = null"),
    "passkey": ("ended_at = now()",),
    "recovery_codes": (
        "digests = array[sha256('mine')]",
        "digests = digests[:1] || sha256('mine')",
        "digests = digests || sha256('mine')",
        "digests = digests[:1]",
        "made_at = now()",
    ),
    "key_succession": (
        f"code_mac = {_MAC}",
        "code_expires_at = code_expires_at + interval '1 day'",
        "kind = 'emergency'",
        "grace = '1 day'",
        "author = 'somebody else'",
        f"made_by = '{SOMEBODY}'",
        "followed_at = now()",
    ),
    "key_policy": (
        "max_age = '80 days'",
        "notice = '1 day'",
        "grace = '1 day'",
        "author = 'somebody else'",
        "changed_at = now()",
        "ended_at = now()",
    ),
    "user_session": ("ended_at = now(), ended_because = 'ended'",),
    "signing_key": ("state = 'current'",),
    "query_source": (
        "url = set_byte(url, 20, 7)",
        "url = null",
        "place = 'elsewhere.example'",
        "shape = '[]'",
        "words = 'other words'",
        "created_at = created_at - interval '1 day'",
        "created_by = 'somebody else'",
        "protected_at = now()",
        "holes = 0",
        "holes = 3",
    ),
}

_BY_ITSELF: Final = "goes with another column, whose change is told"
_ALL_DAY: Final = "happens all day, at every use"
_SHORT_LIVED: Final = "is over within minutes, and what is begun with it is told"
_LESS: Final = (
    "ends something, or makes it unreadable; what is unreadable is reported when it is used"
)

# (table, column): why a change of it alone may leave nothing.
SILENT: Final[Mapping[tuple[str, str], str]] = {
    ("api_key", "revoked_at"): "a revoked key's, and only to earlier",
    ("key_succession", "pepper_id"): _LESS,
    ("key_succession", "reason"): "a text of a code that nobody used",
    ("data_key", "live_version"): _LESS,
    ("data_key", "kek_id"): "rotations wrap all of them anew; keyring.rotated tells of it",
    ("data_key", "wrapped"): _LESS,
    ("data_key", "retired_at"): _LESS,
    ("user_account", "credentials_changed_at"): "ends sessions; goes with a password or factor",
    ("user_claim", "used_at"): _LESS,
    ("totp_factor", "factor_id"): _LESS,
    ("totp_factor", "last_step"): _ALL_DAY,
    ("totp_factor", "created_at"): "the age of what nobody confirmed",
    ("passkey", "sign_count"): _ALL_DAY,
    ("passkey", "backed_up"): _ALL_DAY,
    ("passkey", "last_used_at"): _ALL_DAY,
    ("passkey_ceremony", "used_at"): _SHORT_LIVED,
    ("sign_in_challenge", "used_at"): _SHORT_LIVED,
    ("signing_key", "secret"): "would sign what no public key of ours verifies",
    ("signing_key", "accepted_to"): "only to earlier",
    ("query_role", "password"): "opens no login but the one whose password it is",
    ("query_source", "checked_at"): "the time of a look; what it finds is told",
    **{
        ("user_session", column): _ALL_DAY
        for column in (
            *("address", "user_agent", "seen_at", "generation", "refresh_digest"),
            *("previous_digest", "salt", "pepper_id", "rotated_at"),
        )
    },
}
ONE_OF: Final = {
    "key_encryption_key": "kek_id = 'unused'",
    "user_account": f"user_id = '{SOMEBODY}'",
}
# What the role of people writes; the rest is the app's.
OF_PEOPLE: Final = frozenset(
    {
        *("user_account", "membership", "user_claim", "user_password", "totp_factor", "passkey"),
        *("recovery_codes", "user_session"),
    }
)
# Tables that hold nothing which anybody is, has or may.
NO_SECURITY: Final = frozenset(
    {"upstream", "sign_in_window", "api_window", "notice", "verified_question"}
)

MADE_SILENTLY: Final[Mapping[str, str]] = {
    "upstream": "what the settings name, for reports",
    "data_key": "made when something is first sealed",
    "user_account": "nobody until an invitation, which is told",
    "totp_factor": "pending ones count for nothing; one that is active at once is told",
    "passkey_ceremony": _SHORT_LIVED,
    "sign_in_challenge": _SHORT_LIVED,
    "sign_in_window": _ALL_DAY,
    "api_window": _ALL_DAY,
    "query_role": "made with a first question, which is told; its login reads that tenant's rows",
    "verified_question": "an example of a question: judged like any other when it runs",
}

# A new row of each table that tells of them: also made in ways that are none of ours.
MADE: Final[Mapping[str, tuple[str, ...]]] = {
    "tenant": (f"(tenant_id, name) values ('{NEW}', 'new')",),
    "api_key": tuple(
        f"""(tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes, first_key_id)
            select tenant_id, '{NEW}', 'door', environment, {_MAC}, pepper_id, last4, scopes,
                   {first} from meterr.api_key"""
        for first in ("null", "key_id")
    ),
    "limit_rule": (
        f"""(tenant_id, limit_id, measure, scope, span, amount)
            values ('{A}', '{NEW}', 'usd', 'tenant', 'day', 1)""",
    ),
    "price_override": (
        f"""(override_id, provider, model, effective_from, rates, author, reason)
            values ('{NEW}', 'x', 'x', now(), '{{}}', 'x', 'x')""",
    ),
    "key_encryption_key": (f"(kek_id, live_kek_id, verifier) values ('new', 'new', {_MAC})",),
    "provider_credential": (
        """(tenant_id, upstream, secret, created_by)
            select tenant_id, 'new', secret, 'x' from meterr.provider_credential""",
    ),
    "key_succession": tuple(
        f"""(tenant_id, successor_id, key_id, kind, reason, author, code_mac, pepper_id,
             code_expires_at, followed_at)
            select tenant_id, '{NEW}', first_key_id, 'asked', 'x', 'x', {_MAC}, 'p1',
                   now() + interval '1 day', {followed} from meterr.api_key"""
        for followed in ("null", "now()")
    ),
    "key_policy": (
        f"""(tenant_id, key_id, max_age, notice, grace, author)
            values ('{A}', '{NEW}', '90 days', '1 day', '1 day', 'x')""",
    ),
    "signing_key": tuple(
        f"""(tenant_id, kid, state, public_key, secret, created_at, accepted_to)
            select tenant_id, 'new', '{state}', public_key, {secret}, now(), {accepted_to}
              from meterr.signing_key"""
        for state, secret, accepted_to in (
            ("current", "secret", "null"),
            ("previous", "null", "'infinity'"),
        )
    ),
    "membership": (f"(tenant_id, user_id, role) values ('{A}', '{OTHER}', 'admin')",),
    "user_claim": (
        f"""(digest, user_id, expires_at) values ({_MAC}, '{SOMEBODY}', now() + '1 day')""",
        f"""(digest, user_id, joins_tenant, joins_as, expires_at)
            values ({_MAC}, '{SOMEBODY}', '{A}', 'admin', now() + '1 day')""",
    ),
    "user_password": (f"(user_id, hash, short) values ('{OTHER}', {_HASH}, false)",),
    "totp_factor": (
        f"""(user_id, factor_id, sealed, state)
            select '{OTHER}', '{NEW}', sealed, 'active' from meterr.totp_factor""",
    ),
    "passkey": (
        f"""(credential_id, user_id, public_key, sign_count, name, backed_up)
            values ({_MAC}, '{SOMEBODY}', {_MAC}, 0, 'x', false)""",
    ),
    "recovery_codes": (f"(user_id, digests) values ('{OTHER}', array[{_MAC}])",),
    "query_source": (
        f"""(tenant_id, name, url, place, shape, created_by)
            select '{A}', 'new', url, place, shape, 'x' from meterr.query_source""",
    ),
    "user_session": (
        f"""(session_id, user_id, address, user_agent, created_at, seen_at, ends_at,
             refresh_digest, pepper_id)
            values ('{NEW}', '{OTHER}', '', '', now(), now(), now() + '1 day', {_MAC}, 'p1')""",
    ),
}

_SCENE: Final = f"""
    insert into meterr.user_account (user_id, email, shown_email)
    values ('{OTHER}', 'b@b.example', 'b@b.example');
    update meterr.api_key set first_key_id = key_id;
    update meterr.query_source set holes = 2;
    delete from meterr.signing_key;
    insert into meterr.data_key (tenant_id, version, live_version, kek_id, wrapped)
    select '{PLATFORM}', version, live_version, kek_id, wrapped from meterr.data_key;
    insert into meterr.signing_key (tenant_id, kid, state, public_key, secret, created_at)
    select '{PLATFORM}', 'first', 'next', sha256('x'), secret, now()
      from meterr.provider_credential;
    insert into meterr.key_encryption_key (kek_id, live_kek_id, verifier)
    values ('unused', 'unused', sha256('x'));
    insert into meterr.user_password values ('{SOMEBODY}', {_HASH} || 'hers', false, now());
    insert into meterr.totp_factor (user_id, factor_id, sealed, state)
    select '{SOMEBODY}', gen_random_uuid(), secret, 'active' from meterr.provider_credential;
    insert into meterr.passkey (credential_id, user_id, public_key, sign_count, name, backed_up)
    values ('x', '{SOMEBODY}', 'x', 0, 'x', false);
    insert into meterr.recovery_codes
    values ('{SOMEBODY}', array[sha256('a'), sha256('b')], now() - interval '1 day');
    update meterr.key_succession
       set followed_at = null, code_mac = sha256('x'), pepper_id = 'p1',
           code_expires_at = now() + interval '1 day';
    insert into meterr.user_session (session_id, user_id, address, user_agent, created_at, seen_at,
                                     ends_at, refresh_digest, pepper_id)
    values (gen_random_uuid(), '{SOMEBODY}', '', '', now(), now(), now(), sha256('x'), 'p1')
"""


@pytest.fixture
def admin(admin_dsn: str):
    """One row in every table that this page is about; what told of them is gone."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        fill(connection, A)
        for statement in _SCENE.split(";"):
            connection.execute(statement.encode())
        connection.execute("truncate meterr.security_event")
        connection.execute("set session_replication_role = origin")
        yield connection


def granted(admin: Connection, privilege: str) -> set[tuple[str, str]]:
    """Return what the two roles that change things may write: (table, column), "" for a row."""
    rows = admin.execute(
        """select c.relname, coalesce(a.attname, '')
             from pg_class c
             join lateral (
               select x.*, '' as attname from aclexplode(c.relacl) x
               union all
               select x.*, a.attname from pg_attribute a, aclexplode(a.attacl) x
                where a.attrelid = c.oid) a on true
            where c.relnamespace = 'meterr'::regnamespace and a.privilege_type = %s
              and a.grantee in ('meterr_app'::regrole, 'meterr_identity'::regrole)""",
        [privilege],
    )
    return set(rows.fetchall())


def acted(admin: Connection, database_url: str, table: str, statement: str) -> list[str]:
    """Return what a change by the role that may make it left, as kinds."""
    role = Role.IDENTITY if table in OF_PEOPLE else Role.APP
    tenant = {"signing_key": PLATFORM, "tenant": NEW if "insert" in statement else A}.get(table, A)
    with psycopg.connect(database_url, options=f"-c role={role.value}") as connection:
        connection.execute("select set_config('meterr.tenant_id', %s, true)", [tenant])
        assert 1 == connection.execute(statement.encode()).rowcount
    rows = admin.execute("select kind from meterr.security_event order by at, id").fetchall()
    return [kind for (kind,) in rows]


@pytest.mark.parametrize(
    ("table", "change"), [(table, change) for table, changes in TOLD.items() for change in changes]
)
def test_a_change_is_one_event_whatever_else_it_leaves_as_it_was(
    admin: Connection, database_url: str, table: str, change: str
) -> None:
    """security-events.md: no change can be made that forgets it; also none by a role of ours."""
    statement = f"update meterr.{table} set {change} where {ONE_OF.get(table, 'true')}"
    assert 1 == len(acted(admin, database_url, table, statement))


@pytest.mark.parametrize(
    ("table", "row"), [(table, row) for table, rows in MADE.items() for row in rows]
)
def test_a_new_row_is_one_event_however_it_is_made(
    admin: Connection, database_url: str, table: str, row: str
) -> None:
    """A key that calls itself a successor, a factor that is active at once, a key that signed."""
    admin.execute("delete from meterr.key_succession")  # a key awaits one at a time
    statement = f"insert into meterr.{table} {row}"
    assert 1 == len(acted(admin, database_url, table, statement))


def test_a_revoked_key_that_nobody_may_follow_any_more_is_told(
    admin: Connection, database_url: str
) -> None:
    """As an emergency leaves them: what comes on top is another decision."""
    for statement in (
        "set session_replication_role = replica",
        "update meterr.api_key set state = 'revoked', revoked_at = now()",
        "set session_replication_role = origin",
    ):
        admin.execute(statement)
    change = "update meterr.api_key set for_good = true"
    assert ["key.changed"] == acted(admin, database_url, "api_key", change)


def test_every_column_that_may_be_written_is_told_or_silent_for_a_reason(
    admin: Connection,
) -> None:
    """A new column is thought about before it is merged."""
    whole = {(table, column) for table, column in granted(admin, "UPDATE")}
    told = {
        (table, part.split(" = ")[0].strip())
        for table, changes in TOLD.items()
        for change in changes
        for part in change.split(", ")
        if " = " in part
    }
    left = {each for each in whole - told - set(SILENT) if each[0] not in NO_SECURITY}
    beside = {
        ("user_account", "disabled_at"),
        ("user_session", "ended_because"),
        ("data_key", "created_at"),
    }
    assert set() == left - beside
    assert set() == set(SILENT) - whole


def test_every_table_that_takes_rows_tells_of_them_or_does_not_for_a_reason(
    admin: Connection,
) -> None:
    """And none is in both lists but for a factor, which counts or not."""
    assert {*MADE, *MADE_SILENTLY} == {table for table, _ in granted(admin, "INSERT")}
    assert {"totp_factor"} == set(MADE) & set(MADE_SILENTLY)
