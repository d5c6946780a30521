"""A session that waits for its tenant's next question: quick, and as good as a new one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

import psycopg
import pytest

from meterr.core.errors import NotFound
from meterr.query.run import IdleSessions, Limits, LoginSessions
from meterr.query.run.connection import QuestionConnection
from meterr.query.walls import LOGINS_OF_A_TENANT_MAX, TooManyQuestions
from support import server
from support.identity import until
from support.walled import A, B, Walled, open_walled

LIMITS = Limits(timeout_s=5)
LONG_S = 60
# By name, what one question could leave for the next.
LEFT = ("select session_user, current_user", "execute mine", "fetch all from mine", "show my.word",
        "show meterr.tenant_id")  # fmt: skip


@pytest.fixture(scope="module", params=server.every_directory(), ids=lambda path: path.parent.name)
def walled(request: pytest.FixtureRequest):
    with open_walled(request.param, hardened=True) as opened:
        yield opened


@asynccontextmanager
async def sessions(walled: Walled, kept_s: float = LONG_S) -> AsyncIterator[LoginSessions]:
    with closing(IdleSessions(kept_s)) as idle:
        async with walled.logins() as logins:
            yield LoginSessions(walled.dsn, logins, LIMITS, idle)


def pid(connection: QuestionConnection) -> int:
    return connection.info.backend_pid


async def state(connection: QuestionConnection) -> list[object]:
    """
    Return every setting of a session, and what it says to whoever asks for what is left.

    The name of a setting that no server has stays, without its value: as if it had none.
    """
    found: list[object] = await (await connection.execute("show all")).fetchall()
    await connection.execute("rollback")
    for text in LEFT:
        try:
            rows = await (await connection.execute(text.encode())).fetchall()
            found.append("42704" if rows == [("",)] else rows)
        except psycopg.Error as error:
            found.append(error.sqlstate)
    return found


async def test_the_next_question_has_the_same_session(walled: Walled) -> None:
    """Issue 5, at most 15 ms added: no login, no catalogue read anew."""
    async with sessions(walled) as opening:
        async with opening.open(A) as first:
            used = pid(first)
        async with opening.open(A) as second:
            assert used == pid(second)
            rows = await (await second.execute("select distinct model from calls")).fetchall()
    assert [("own",)] == rows


async def test_two_questions_at_once_have_two_sessions_and_one_waits(walled: Walled) -> None:
    """Nobody waits for a session, and none piles up."""
    async with sessions(walled) as opening:
        async with opening.open(A) as one, opening.open(A) as other:
            used = {pid(one), pid(other)}
        assert 2 == len(used)
        async with opening.open(A) as again, opening.open(A) as new:
            assert pid(again) in used
            assert pid(new) not in used


@pytest.mark.parametrize(
    "left",
    [
        "set my.word = 'left'",
        f"set meterr.tenant_id = '{B}'",
        "set statement_timeout = 0",
        "set search_path = public",
        "set default_transaction_read_only = off",
        "set session characteristics as transaction isolation level serializable",
        "prepare mine as select 1",
        "declare mine cursor with hold for select 1",
        "listen mine",
        "set role meterr_reader",
    ],
)
@pytest.mark.parametrize("kept", [True, False], ids=["committed", "undone"])
async def test_nothing_of_a_question_is_left_for_the_next(
    walled: Walled, left: str, kept: bool
) -> None:
    """P4, guard off: even what a question commits, which none can, is gone."""
    async with sessions(walled) as opening:
        async with opening.open(A) as new:
            before = await state(new)
        async with opening.open(A) as used:
            number = pid(used)
            try:
                await used.execute(left.encode())
                if kept:
                    await used.execute("commit")
                    await used.execute("begin")
            except psycopg.Error:  # what it may not do leaves nothing either
                await used.execute("rollback")
                await used.execute("begin")
        async with opening.open(A) as again:
            assert number == pid(again)
            assert before == await state(again)


async def test_no_session_is_used_by_two_tenants(walled: Walled) -> None:
    """P4: each is its tenant's login, from its first question to its last."""
    async with sessions(walled) as opening:
        async with opening.open(A) as mine:
            used = pid(mine)
        async with opening.open(B) as theirs:
            assert used != pid(theirs)
            assert (
                []
                == await (
                    await theirs.execute("select 1 from calls where model = 'own'")
                ).fetchall()
            )


async def test_a_session_that_ended_while_it_waited_is_another_one(walled: Walled) -> None:
    """A server that restarted, or an administrator, has ended it: the question is answered."""
    async with sessions(walled) as opening:
        async with opening.open(A) as first:
            used = pid(first)
        with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(%s, 5000)", [used])
        async with opening.open(A) as second:
            assert used != pid(second)
            assert (1,) == await (await second.execute("select 1")).fetchone()


async def test_a_question_that_was_cut_off_ends_its_session(walled: Walled) -> None:
    """Whoever leaves takes the statement along; nobody gets a session that still runs it."""
    async with sessions(walled) as opening:
        begun = asyncio.Event()
        used = 0

        async def ask() -> None:
            nonlocal used
            async with opening.open(A) as connection:
                used = pid(connection)
                begun.set()
                await connection.execute("select count(*) from generate_series(1, 1000000000)")

        asking = asyncio.create_task(ask())
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with opening.open(A) as next_one:
            assert used != pid(next_one)


async def test_a_tenant_that_is_disabled_has_no_session_any_more(walled: Walled) -> None:
    """The tenant is looked at before each question, whoever waits."""
    async with sessions(walled) as opening:
        async with opening.open(B) as first:
            used = pid(first)
        with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
            set_state = "update meterr.tenant set state = %s where tenant_id = %s"
            admin.execute(set_state, ["disabled", B])
            with pytest.raises(NotFound):
                async with opening.open(B):
                    pass
            admin.execute(set_state, ["active", B])
        async with opening.open(B) as again:
            assert used != pid(again)
    await walled.make_logins()


async def test_a_session_waits_no_longer_than_it_may(walled: Walled) -> None:
    """query.session_kept_s: then the server has its connection back."""
    async with sessions(walled, kept_s=0) as opening:
        async with opening.open(A) as first:
            used = pid(first)
        with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
            there = "select 1 from pg_stat_activity where pid = %s"
            await until(lambda: admin.execute(there, [used]).fetchone() is None)
        async with opening.open(A) as second:
            assert used != pid(second)


async def test_no_session_lives_on_for_ever(walled: Walled) -> None:
    """A right that was taken from a login is gone within minutes, however busy its tenant is."""
    async with sessions(walled) as opening:
        async with opening.open(A) as old:
            used = pid(old)
            old.opened_at -= 301
        async with opening.open(A) as new:
            assert used != pid(new)


async def test_a_session_that_waits_is_as_old_as_it_was(walled: Walled) -> None:
    """Five minutes from its login, not from the last question."""
    async with sessions(walled, kept_s=300) as opening:
        async with opening.open(A) as old:
            used = pid(old)
            old.opened_at -= 299.999
        with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
            there = "select 1 from pg_stat_activity where pid = %s"
            await until(lambda: admin.execute(there, [used]).fetchone() is None)
        async with opening.open(A) as new:
            assert used != pid(new)


async def test_a_login_that_was_dropped_is_made_again_for_the_next_question(
    walled: Walled,
) -> None:
    """What fails in a session that waited may be the session's fault: no other question gets it."""
    async with sessions(walled) as opening:
        async with opening.open(A) as first:
            role = first.info.user
        with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
            admin.execute(f"drop role {role}".encode())
        with pytest.raises(psycopg.Error):
            async with opening.open(A) as unknown:
                await unknown.execute("select 1 from calls")
        async with opening.open(A) as made_again:
            rows = await (await made_again.execute("select distinct model from calls")).fetchall()
    assert [("own",)] == rows


async def test_sessions_that_wait_keep_nobody_out(walled: Walled) -> None:
    """A login has eight: where many processes have one that waits, there is room to ask."""
    many = LOGINS_OF_A_TENANT_MAX + 4
    answers = []
    async with AsyncExitStack() as processes:
        for _ in range(many):
            opening = await processes.enter_async_context(sessions(walled))
            async with opening.open(A) as connection:
                answers.append(await (await connection.execute("select 1")).fetchone())
    assert [(1,)] * many == answers


async def test_a_login_that_is_full_keeps_its_password(walled: Walled) -> None:
    """Also when a session ends before anybody counts: a new password would end everybody's."""
    async with sessions(walled) as opening, walled.logins() as logins:
        login = await logins.login_of(A)
        limit = f"alter role {login.role_name} connection limit "
        with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
            admin.execute(f"{limit} 0".encode())
            try:
                with pytest.raises(TooManyQuestions):
                    async with opening.open(A):
                        raise AssertionError("there is room")
            finally:
                admin.execute(f"{limit} {LOGINS_OF_A_TENANT_MAX}".encode())
        assert login == await logins.login_of(A)


async def test_what_comes_back_after_the_end_is_not_kept(walled: Walled) -> None:
    """A process that stops leaves no session behind."""
    with closing(IdleSessions(LONG_S)) as idle:
        async with walled.logins() as logins:
            opening = LoginSessions(walled.dsn, logins, LIMITS, idle)
            async with opening.open(A) as last:
                idle.close()
            assert last.closed
