"""What a restore brings back: no session, no link, and no key that this database saw revoked."""

from typing import LiteralString

import psycopg
import pyrage
import pytest

from support.backups import BACKED_UP, PEPPER_ID, into, restored
from support.command_line import CommandLine
from support.rows import AT, SOMEBODY, insert

_SIGNED_IN = {
    "user_session": {
        "session_id": SOMEBODY,
        "user_id": SOMEBODY,
        "address": "",
        "user_agent": "",
        "created_at": AT,
        "seen_at": AT,
        "ends_at": "infinity",
        "refresh_digest": b"6" * 32,
        "pepper_id": "p1",
    },
    "user_claim": {"user_id": SOMEBODY, "digest": b"1" * 32, "expires_at": "infinity"},
    "sign_in_challenge": {
        "digest": b"5" * 32,
        "user_id": SOMEBODY,
        "owes": "give",
        "credentials_at": AT,
        "password_at": AT,
        "created_at": AT,
        "expires_at": "infinity",
    },
    "passkey_ceremony": {
        "digest": b"2" * 32,
        "purpose": "sign_in",
        "network": "",
        "site": "",
        "expires_at": "infinity",
    },
}
_STILL_GOOD = """
    select (select count(*) from meterr.user_session where ended_at is null),
           (select count(*) from meterr.user_claim where used_at is null),
           (select count(*) from meterr.sign_in_challenge where used_at is null),
           (select count(*) from meterr.passkey_ceremony where used_at is null),
           (select count(*) from meterr.key_succession
             where followed_at is null and code_expires_at > now())"""


def keys_of(dsn: str) -> dict[str, str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select name, state from meterr.api_key").fetchall()
    return dict(rows)


def make_key(dsn: str, name: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            """insert into meterr.api_key
                      (tenant_id, key_id, name, environment, mac, pepper_id, last4, scopes)
               select %s, gen_random_uuid(), %s, 'live', sha256(%s), %s, 'abcd', '{chat}'""",
            [BACKED_UP, name, name.encode(), PEPPER_ID],
        )


def end_key(dsn: str, name: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "update meterr.api_key set state = 'revoked', revoked_at = now() where name = %s",
            [name],
        )


def backed_up(operator: CommandLine, age_identity: pyrage.x25519.Identity) -> str:
    file = str(operator.folder / "then.age")
    operator.ok("db", "backup", file, "--recipient", str(age_identity.to_public()))
    return file


def test_what_was_revoked_here_since_the_backup_stays_revoked(
    operator: CommandLine,
    admin_dsn: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
) -> None:
    """P5: replacing a database does not revive what it knows to have ended: keys, people, ends."""
    make_key(admin_dsn, "leaked since")
    make_key(admin_dsn, "short since")
    file = backed_up(operator, age_identity)
    end_key(admin_dsn, "leaked since")
    make_key(admin_dsn, "made since")
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            "update meterr.api_key set grace_until = now() where name = 'short since'"
        )
        connection.execute("update meterr.user_account set state = 'disabled', disabled_at = now()")
        connection.execute("update meterr.membership set ended_at = now()")

    done = restored(operator, file, identity_file, "--replace")

    assert 0 == done.status, done
    assert {"a key": "active", "leaked since": "revoked", "short since": "active"} == keys_of(
        admin_dsn
    )
    assert "1 keys of the backup were revoked here since and stay so." in done.err
    assert "1 keys of 1 tenants count now." in done.err
    with psycopg.connect(admin_dsn) as connection:
        assert ("disabled", True) == connection.execute(
            """select u.state, m.ended_at is not null
                 from meterr.user_account u join meterr.membership m using (user_id)"""
        ).fetchone()


@pytest.mark.parametrize("then", ["active", "revoked"])
def test_a_key_that_was_revoked_for_good_here_gets_no_successor_after_a_restore(
    operator: CommandLine,
    admin_dsn: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
    then: str,
) -> None:
    """P5: struck by an emergency or not yet, then revoked by hand: nobody follows it."""
    make_key(admin_dsn, "struck")
    if then == "revoked":
        end_key(admin_dsn, "struck")
    file = backed_up(operator, age_identity)
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            """update meterr.api_key
                  set state = 'revoked', revoked_at = coalesce(revoked_at, now()), for_good = true
                where name = 'struck'"""
        )

    assert 0 == restored(operator, file, identity_file, "--replace").status

    with psycopg.connect(admin_dsn) as connection:
        assert ("revoked", True) == connection.execute(
            "select state, for_good from meterr.api_key where name = 'struck'"
        ).fetchone()


@pytest.mark.parametrize(
    ("ends", "ended"),
    [
        (
            "update meterr.tenant set state = 'disabled' where tenant_id = %s",
            "select state = 'disabled' from meterr.tenant where tenant_id = %s",
        ),
        (
            """update meterr.api_key set due_at = now() - interval '2 days',
                      due_until = now() - interval '1 day' where tenant_id = %s and name = 'k'""",
            """select due_at < now() - interval '1 hour' and due_until < now() - interval '1 hour'
                 from meterr.api_key where tenant_id = %s and name = 'k'""",
        ),
        (
            """update meterr.api_key set expires_at = now() - interval '1 day'
                where tenant_id = %s and name = 'k'""",
            """select expires_at < now() - interval '1 hour'
                 from meterr.api_key where tenant_id = %s and name = 'k'""",
        ),
    ],
    ids=["a disabled tenant", "an overdue key", "an expired key"],
)
def test_what_ended_here_without_being_revoked_stays_ended(
    operator: CommandLine,
    admin_dsn: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
    ends: LiteralString,
    ended: LiteralString,
) -> None:
    """P5: a restore revives no tenant that was disabled since, and no key that time has ended."""
    make_key(admin_dsn, "k")
    file = backed_up(operator, age_identity)
    with psycopg.connect(admin_dsn) as connection:
        assert 1 == connection.execute(ends, [BACKED_UP]).rowcount

    assert 0 == restored(operator, file, identity_file, "--replace").status

    with psycopg.connect(admin_dsn) as connection:
        assert (True,) == connection.execute(ended, [BACKED_UP]).fetchone()


def test_what_is_still_to_end_here_ends_when_the_backup_says(
    operator: CommandLine,
    admin_dsn: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
) -> None:
    """Terms are those of the backup; only what is over by now is taken over."""
    make_key(admin_dsn, "k")
    file = backed_up(operator, age_identity)
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            "update meterr.api_key set expires_at = now() + interval '1 day', "
            "due_at = now(), due_until = now() + interval '1 day' where name = 'k'"
        )

    assert 0 == restored(operator, file, identity_file, "--replace").status

    with psycopg.connect(admin_dsn) as connection:
        found = connection.execute(
            "select expires_at, due_until from meterr.api_key where name = 'k'"
        ).fetchone()
    assert (None, None) == found


def test_a_database_that_knows_nothing_says_so(
    operator: CommandLine,
    admin_dsn: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
    other: tuple[str, str],
) -> None:
    """A new server cannot know what was revoked: how many keys count is told, and what to do."""
    make_key(admin_dsn, "leaked since")
    file = backed_up(operator, age_identity)
    end_key(admin_dsn, "leaked since")

    done = restored(into(operator, other), file, identity_file)

    assert 0 == done.status, done
    assert {"a key": "active", "leaked since": "active"} == keys_of(other[1])
    assert "2 keys of 1 tenants count now." in done.err
    assert "revoked after the backup are among them" in done.err
    assert "stay so" not in done.err


def test_every_key_ends_when_that_is_asked_and_its_successor_waits(
    operator: CommandLine,
    admin_dsn: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
    other: tuple[str, str],
) -> None:
    """--revoke-all: in the restore's own transaction, as an emergency; codes are made after it."""
    make_key(admin_dsn, "of ada")
    file = backed_up(operator, age_identity)
    there = into(operator, other)

    done = restored(there, file, identity_file, "--revoke-all", "--author", "o'brien")

    assert 0 == done.status, done
    assert {"revoked"} == set(keys_of(other[1]).values())
    assert "2 keys have ended: emergency " in done.err
    assert "0 keys of 0 tenants count now." in done.err
    emergency = done.err.partition("emergency ")[2].partition(".")[0]
    with psycopg.connect(other[1]) as connection:
        assert [(2, "o'brien")] == connection.execute(
            "select keys, author from meterr.key_emergency where emergency_id = %s", [emergency]
        ).fetchall()
        (tenant,) = connection.execute("select name from meterr.tenant").fetchone() or ("",)
    codes = there.ok(
        "key", "codes", "--tenant", tenant, "--emergency", emergency, "--reason", "x", "--json"
    )
    assert 2 == codes.out.count('"code"')


def test_nobody_is_signed_in_and_no_link_is_good(
    operator: CommandLine,
    admin_dsn: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
    other: tuple[str, str],
) -> None:
    """A session that was ended, a link that was used, a code that was collected: none is again."""
    with psycopg.connect(admin_dsn) as connection:
        for table, row in _SIGNED_IN.items():
            insert(connection, table, row)
        connection.execute(
            """update meterr.key_succession
                  set followed_at = null, code_mac = sha256('c'), pepper_id = 'p1',
                      code_expires_at = 'infinity'
                where followed_at is null"""
        )
        assert (1, 1, 1, 1) == (connection.execute(_STILL_GOOD).fetchone() or ())[:4]
    file = backed_up(operator, age_identity)

    done = restored(into(operator, other), file, identity_file)

    assert 0 == done.status, done
    assert "Over: 1 sessions, 1 invitations and resets, 0 key codes." in done.err
    with psycopg.connect(other[1]) as connection:
        assert (0, 0, 0, 0, 0) == connection.execute(_STILL_GOOD).fetchone()
        assert ("restored",) == connection.execute(
            "select ended_because from meterr.user_session"
        ).fetchone()


def test_nothing_of_the_schema_that_goes_is_run(
    operator: CommandLine,
    admin_dsn: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
) -> None:
    """A database that somebody broke into is replaced: its code gets no administrator's rights."""
    file = backed_up(operator, age_identity)
    with psycopg.connect(admin_dsn) as connection:
        connection.execute("create table public.proof (who text)")
        connection.execute(
            """create function meterr.trap() returns uuid language plpgsql as
               $$ begin insert into public.proof values (current_user); return null; end $$"""
        )
        connection.execute("alter table meterr.api_key rename to was_api_key")
        connection.execute(
            """create view meterr.api_key as
               select meterr.trap() as tenant_id, key_id, state, revoked_at, grace_until
                 from meterr.was_api_key"""
        )

    done = restored(operator, file, identity_file, "--replace")

    assert 0 == done.status, done
    with psycopg.connect(admin_dsn) as connection:
        assert [] == connection.execute("select * from public.proof").fetchall()
    assert "revoked after the backup are among them" in done.err


def test_a_login_that_is_none_of_ours_is_in_nobodys_way(
    operator: CommandLine,
    stranger: str,
    age_identity: pyrage.x25519.Identity,
    identity_file,
) -> None:
    """Whoever has any login could stop every restore by calling a session like ours."""
    file = backed_up(operator, age_identity)
    with psycopg.connect(stranger, application_name="meterr meterr_app"):
        done = restored(operator, file, identity_file, "--replace")
    assert 0 == done.status, done
