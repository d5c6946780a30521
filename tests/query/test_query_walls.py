"""The walls themselves: logins, hardening, what is read back, and the modes."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.db import Database, Role
from meterr.core.errors import NotFound, OperatorError
from meterr.core.migrate import migrate
from meterr.query.run import Limits, Runner, TokenSessions, UsageSource
from meterr.query.walls import QueryNotSetUp, Tokens, TooManyQuestions, harden
from meterr.query.walls.model import LOGINS_OF_A_TENANT_MAX
from support import server
from support.walled import A, B, Walled, fill, open_walled

LIMITS = Limits(timeout_s=5)
MODELS = "select distinct model from calls"


@pytest.fixture(scope="module", params=server.every_directory(), ids=lambda path: path.parent.name)
def walled(request: pytest.FixtureRequest) -> Iterator[Walled]:
    binaries: Path = request.param
    with open_walled(binaries) as opened:
        yield opened


def roles(walled: Walled) -> list[str]:
    with psycopg.connect(walled.admin_dsn) as admin:
        rows = admin.execute("select rolname from pg_roles where rolname ~ '^mq_' order by 1")
        return [str(name) for (name,) in rows.fetchall()]


def test_a_second_hardening_finds_nothing_to_do(walled: Walled) -> None:
    """Issue 5: idempotent, and read back."""
    again = asyncio.run(harden(walled.admin_dsn, apply=True))
    assert ((), (), "A") == (again.statements, again.remaining, again.mode)


def test_a_dry_run_says_what_it_would_do_and_does_none_of_it(walled: Walled) -> None:
    """Issue 5: --dry-run; what was given back is found, by its kind."""
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        admin.execute("grant execute on function pg_sleep(double precision) to public")
        admin.execute("grant select on pg_class to public")
        admin.execute("grant select on meterr.ledger_entry_default to meterr_reader")
        admin.execute("create role stranger; grant meterr_reader to stranger")
    before = walled.fingerprint()

    dry = asyncio.run(harden(walled.admin_dsn, apply=False))

    assert before == walled.fingerprint()
    assert dry.mode == "B"
    assert {
        "function": ("pg_sleep(double precision)",),
        "relation": ("pg_class",),
        "partition": ("meterr.ledger_entry_default",),
        "member of the reader": ("stranger",),
    } == {each.kind: each.examples for each in dry.remaining}
    applied = asyncio.run(harden(walled.admin_dsn, apply=True))
    # Who is a member, and what a partition grants, is somebody's decision: it is told, not undone.
    assert {"partition", "member of the reader"} == {each.kind for each in applied.remaining}
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        admin.execute("revoke select on meterr.ledger_entry_default from meterr_reader")
        admin.execute("revoke meterr_reader from stranger")
    assert () == asyncio.run(harden(walled.admin_dsn, apply=True)).remaining


def test_a_role_that_comes_later_gets_what_everybody_had(walled: Walled) -> None:
    """Nobody but tenants loses anything; somebody new, with the next hardening."""
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        admin.execute("create role newcomer login")
        asks = "select has_function_privilege('newcomer', 'pg_sleep(double precision)', 'execute')"
        assert (False,) == admin.execute(asks).fetchone()
        asyncio.run(harden(walled.admin_dsn, apply=True))
        assert (True,) == admin.execute(asks).fetchone()
        assert (True,) == admin.execute(
            "select has_table_privilege('newcomer', 'pg_class', 'select')"
        ).fetchone()


def test_every_role_of_ours_keeps_what_it_had(walled: Walled) -> None:
    """Compared with a database on the same server that nobody hardened."""
    rights = """
        select r.rolname, p.oid::regprocedure::text from pg_proc p, pg_roles r
         where r.rolname ~ '^meterr(_(owner|app|auth|drain|identity))?$'
           and p.pronamespace = 'pg_catalog'::regnamespace
           and has_function_privilege(r.oid, p.oid, 'execute')
        union all
        select r.rolname, c.oid::regclass::text from pg_class c, pg_roles r
         where r.rolname ~ '^meterr(_(owner|app|auth|drain|identity))?$'
           and c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
           and has_any_column_privilege(r.oid, c.oid, 'select, update')
        union all
        select r.rolname, x from pg_roles r, unnest(array['temporary', 'connect']) x
         where r.rolname ~ '^meterr(_(owner|app|auth|drain|identity))?$'
           and has_database_privilege(r.oid, current_database(), x)
        union all
        select r.rolname, l.lanname from pg_roles r, pg_language l
         where r.rolname ~ '^meterr(_(owner|app|auth|drain|identity))?$'
           and has_language_privilege(r.oid, l.oid, 'usage')"""
    found = []
    for dsn in (walled.admin_dsn, walled.server.admin_dsn):
        with psycopg.connect(dsn) as admin:
            found.append(set(admin.execute(rights).fetchall()))
    assert len(found[0]) > 10_000
    assert set() == found[1] - found[0]


def test_a_tenants_login_is_the_least_a_login_can_be(walled: Walled) -> None:
    """Issue 5: no attribute, few connections, a member of the reader and of nothing else."""
    name = conninfo_to_dict(walled.as_tenant())["user"]
    with psycopg.connect(walled.admin_dsn) as admin:
        row = admin.execute(
            """select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
                      rolconnlimit from pg_roles where rolname = %s""",
            [name],
        ).fetchone()
        member_of = admin.execute(
            "select roleid::regrole::text from pg_auth_members where member = %s::regrole", [name]
        ).fetchall()
        members = admin.execute(
            "select 1 from pg_auth_members where roleid = %s::regrole", [name]
        ).fetchall()
    assert (False, False, False, False, False, LOGINS_OF_A_TENANT_MAX) == row
    assert [("meterr_reader",)] == member_of
    assert [] == members


async def test_a_login_is_made_once_and_its_password_is_sealed(walled: Walled) -> None:
    """P6: neither the table nor the server has the password."""
    async with walled.logins() as logins:
        first, second = await logins.login_of(A), await logins.login_of(A)
    assert first == second
    password = first.password.get_secret_value()
    assert password not in repr(first)
    with psycopg.connect(walled.admin_dsn) as admin:
        text = admin.execute("select string_agg(q::text, '') from meterr.query_role q").fetchone()
        shadow = admin.execute("select string_agg(rolpassword, '') from pg_authid").fetchone()
    sealed = password.encode().hex()
    assert all(password not in str(each) and sealed not in str(each) for each in (text, shadow))


def test_a_login_is_quick_to_check_where_the_server_can(walled: Walled) -> None:
    """Issue 5: added to a question <= 15 ms; rounds guard passwords that can be guessed."""
    with psycopg.connect(walled.admin_dsn) as admin:
        version = admin.info.server_version
        made = admin.execute(
            "select distinct split_part(rolpassword, ':', 1) from pg_authid where rolname ~ '^mq_'"
        ).fetchall()
    assert [("SCRAM-SHA-256$1000" if version >= 160_000 else "SCRAM-SHA-256$4096",)] == made


async def test_a_login_that_the_server_lost_or_changed_is_made_again(walled: Walled) -> None:
    """After a restore on another server, and after what a login may always do: its own password."""
    name = str(conninfo_to_dict(walled.as_tenant())["user"])
    for harm in (f"drop role {name}", f"alter role {name} password 'x'"):
        with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
            admin.execute(harm)  # type: ignore[arg-type]  # a name that we made
        async with walled.runner(LIMITS) as runner:
            assert (("own",),) == (await runner.run(A, MODELS)).rows
    await walled.make_logins()


async def test_a_login_with_all_its_connections_is_busy_and_keeps_its_password(
    walled: Walled,
) -> None:
    """A refusal for another reason than the password changes nothing."""
    async with walled.logins() as logins:
        before = await logins.login_of(A)
        with ExitStack() as stack:
            for _ in range(LOGINS_OF_A_TENANT_MAX):
                stack.enter_context(psycopg.connect(walled.as_tenant()))
            async with walled.runner(LIMITS) as runner:
                with pytest.raises(TooManyQuestions):
                    await runner.run(A, MODELS)
        assert before == await logins.login_of(A)


async def test_a_tenant_that_is_disabled_has_no_login_and_no_rows(walled: Walled) -> None:
    """The change itself ends it: the row, the login, and what an open session sees."""
    before = roles(walled)
    with (
        psycopg.connect(walled.as_tenant(B), autocommit=True) as still_open,
        psycopg.connect(walled.admin_dsn, autocommit=True) as admin,
    ):
        admin.execute("update meterr.tenant set state = 'disabled' where tenant_id = %s", [B])
        with pytest.raises(psycopg.Error, match=r"role|does not exist"):
            still_open.execute("select 1 from calls")
        assert len(before) - 1 == len(roles(walled))
        async with walled.runner(LIMITS) as runner:
            with pytest.raises(NotFound):
                await runner.run(B, MODELS)
        admin.execute("update meterr.tenant set state = 'active' where tenant_id = %s", [B])
    await walled.make_logins()
    assert len(before) == len(roles(walled))


async def test_a_login_that_changes_itself_holds_no_disabling_up(walled: Walled) -> None:
    """An emergency waits for nobody: the tenant is disabled, and what logs in sees no row."""
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        admin.execute("set statement_timeout = '10s'")
        with psycopg.connect(walled.as_tenant(B)) as changing:
            changing.execute("set transaction read write")
            changing.execute("alter role current_user set work_mem = '1MB'")
            admin.execute("update meterr.tenant set state = 'disabled' where tenant_id = %s", [B])
            assert (0,) == changing.execute("select count(*) from calls").fetchone()
            changing.rollback()
        with psycopg.connect(walled.as_tenant(B)) as again:
            assert (0,) == again.execute("select count(*) from calls").fetchone()
        admin.execute("update meterr.tenant set state = 'active' where tenant_id = %s", [B])
        left = str(conninfo_to_dict(walled.as_tenant(B))["user"])
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(left)))
    await walled.make_logins()


@pytest.mark.parametrize("directory", server.every_directory(), ids=lambda path: path.parent.name)
def test_a_login_that_may_only_make_roles_gives_mode_b(directory: Path) -> None:
    """Issue 5, managed services: own logins and policies; what remains is told by name."""
    with open_walled(directory, hardened=False) as walled:
        with psycopg.connect(walled.server.admin_dsn, autocommit=True) as admin:
            admin.execute("create role shop login password 'shop' createrole")
            admin.execute("create database shop owner shop")
            admin.execute("grant meterr_reader to shop with admin option")
            for role in ("meterr_owner", "meterr_app", "meterr_drain"):
                admin.execute(f"grant {role} to shop".encode())
        dsn = make_conninfo(walled.dsn, user="shop", password="shop", dbname="shop")
        with psycopg.connect(
            make_conninfo(walled.server.admin_dsn, dbname="shop"), autocommit=True
        ) as admin:
            admin.execute("select set_config('meterr.login', 'shop', false)")
            admin.execute(server.roles_sql())
        asyncio.run(migrate(dsn))
        fill(make_conninfo(walled.server.admin_dsn, dbname="shop"))

        done = asyncio.run(harden(dsn, apply=True))

        assert done.mode == "B"
        assert {"function", "relation", "language"} <= {each.kind for each in done.remaining}
        assert "temporary tables" not in {each.kind for each in done.remaining}
        assert "B" == asyncio.run(harden(dsn, apply=False)).mode


def test_without_any_rights_to_make_roles_it_says_so(walled: Walled) -> None:
    """The plain login of meterr cannot harden, and is told what to do."""
    with pytest.raises(OperatorError, match="neither make roles nor is it a superuser"):
        asyncio.run(harden(walled.dsn, apply=True))


def test_before_anybody_hardened_a_question_says_what_is_missing() -> None:
    """And changes nothing: no login that nobody can use is kept."""

    async def ask(walled: Walled) -> None:
        async with walled.runner(LIMITS) as runner:
            await runner.run(A, MODELS)

    with open_walled(server.newest_binaries(), hardened=False) as walled:
        with pytest.raises(QueryNotSetUp, match="harden --apply"):
            asyncio.run(ask(walled))
        with psycopg.connect(walled.admin_dsn) as admin:
            assert (0,) == admin.execute("select count(*) from meterr.query_role").fetchone()
        assert "none" == asyncio.run(harden(walled.admin_dsn, apply=False)).mode
        set_up = harden(walled.admin_dsn, apply=False, reader_login="meterr")
        assert "C" == asyncio.run(set_up).mode


def present(session: psycopg.Connection, token: str) -> None:
    session.execute(sql.SQL("set meterr.query_token = {}").format(sql.Literal(token)))


def signed_by_hand(walled: Walled, message: str) -> str:
    """Return a token with the true keys, whose time is chosen by the test."""
    with psycopg.connect(walled.admin_dsn) as admin:
        row = admin.execute(
            """select encode(meterr.query_token_mac(outer_key, inner_key, %s), 'hex')
                 from meterr.query_token_key""",
            [message],
        ).fetchone()
    assert row
    return f"{message}.{row[0]}"


class TestATokenForOneLogin:
    """Mode C: no roles can be made, so a signed token says whose session it is."""

    @pytest.fixture
    def reader(self, walled: Walled) -> str:
        with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
            admin.execute("drop role if exists asker")
            admin.execute("create role asker login password 'asker' in role meterr_reader")
        return make_conninfo(walled.dsn, user="asker", password="asker")

    async def test_each_tenant_sees_its_own_rows(self, walled: Walled, reader: str) -> None:
        """Issue 5, mode C."""
        async with Database.open(walled.dsn, Role.APP) as db:
            source = await UsageSource.read(db)
            runner = Runner(source, TokenSessions(reader, Tokens(db), LIMITS), LIMITS)
            own = (await runner.run(A, MODELS)).rows
            others = (await runner.run(B, MODELS)).rows
        assert ((("own",),), (("foreign-row-of-b",),)) == (own, others)

    async def test_no_token_but_the_right_one_shows_a_row(
        self, walled: Walled, reader: str
    ) -> None:
        """Of another process, expired, altered, cut, empty, null, another tenant's name: no row."""
        async with Database.open(walled.dsn, Role.APP) as db:
            with psycopg.connect(reader, autocommit=True) as session:
                pid = session.info.backend_pid
                good = await Tokens(db).sign(A, login="asker", backend=pid, seconds=60)
                other = await Tokens(db).sign(A, login="asker", backend=pid + 1, seconds=60)
                _, _, until, mac = good.split(".")
                bad = [
                    "", "x", other, good[:-1], good[:-1] + ("0" if good[-1] != "0" else "1"),
                    f"{B}.{pid}.{until}.{mac}", f"{A}.{pid}.{int(until) + 1}.{mac}",
                    f"{A}.{pid}.{until}.", f"{A}.{pid}.{until}.{'0' * 64}", good.upper(),
                    good + " ", good + "\n", f"{A}..{until}.{mac}",
                    signed_by_hand(walled, f"{A}.{pid}.1000000000"),
                ]  # fmt: skip
                seen = []
                for token in bad:
                    present(session, token)
                    seen += session.execute("select model from usage.calls").fetchall()
                assert [] == seen
                for token in (good, signed_by_hand(walled, f"{A}.{pid}.9999999999")):
                    present(session, token)
                    assert 40 == len(session.execute("select model from usage.calls").fetchall())

    def test_the_mode_is_read_back(self, walled: Walled, reader: str) -> None:
        """Issue 5: the active one is visible, also where logins of tenants could be used."""
        assert reader
        found = asyncio.run(harden(walled.admin_dsn, apply=False, reader_login="asker"))
        assert "C" == found.mode

    @pytest.mark.parametrize("user", ["meterr", "postgres"])
    async def test_a_login_that_could_become_somebody_is_not_used(
        self, walled: Walled, user: str
    ) -> None:
        """A slip in the settings must not hand meterr's own login to SQL."""
        dsn = walled.dsn if user == "meterr" else walled.admin_dsn
        async with Database.open(walled.dsn, Role.APP) as db:
            source = await UsageSource.read(db)
            runner = Runner(source, TokenSessions(dsn, Tokens(db), LIMITS), LIMITS)
            with pytest.raises(QueryNotSetUp, match="nothing else"):
                await runner.run(A, MODELS)

    def test_the_keys_are_nobodys_to_read(self, walled: Walled, reader: str) -> None:
        """Neither the login's nor the services'."""
        for dsn in (reader, make_conninfo(walled.dsn, options="-c role=meterr_app")):
            with (
                psycopg.connect(dsn) as session,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                session.execute("select * from meterr.query_token_key")

    def test_a_tenants_own_login_cannot_use_a_token(self, walled: Walled) -> None:
        """Who logged in counts, whatever is set beside it."""
        with (
            psycopg.connect(make_conninfo(walled.dsn, options="-c role=meterr_app")) as app,
            psycopg.connect(walled.as_tenant(), autocommit=True) as session,
        ):
            row = app.execute(
                "select meterr.sign_query_token(%s, %s, 60)", [B, session.info.backend_pid]
            ).fetchone()
            present(session, (row or ("",))[0])
            assert {("own",)} == set(session.execute("select model from calls").fetchall())
