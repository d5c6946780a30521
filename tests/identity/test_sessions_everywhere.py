"""What ends a session ends it in every process, and a process that cannot know lets nobody in."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from test_identity_revocation import accept_connections

from meterr.core.policy import Role
from meterr.identity.factors import remove_totp, replace_recovery_codes
from meterr.identity.passwords import change_password
from meterr.identity.people import disable_user, remove_member, set_role
from meterr.identity.sessions import Authority, Grant, SessionRefused, SessionUnverifiable
from meterr.identity.sessions.administration import end_of_member
from meterr.identity.trust import Standing
from support import session_process
from support.identity import PATIENCE_S, until
from support.people import OPERATOR, PASSWORD, REASON
from support.sessions import LAPTOP, SessionHouse

NEW = SecretStr("copper violin meadow anchor")
PROCESSES = 4


@pytest.fixture
async def house(database_url: str):
    async with SessionHouse.open(database_url) as opened:
        yield opened


def token_of(grant: Grant) -> str:
    return grant.access.get_secret_value()


class Doer:
    """Does to a person of that name what the name says."""

    def __init__(self, house: SessionHouse) -> None:
        self.house = house
        self.grants: dict[str, Grant] = {}
        self.ids: dict[str, str] = {}

    async def prepare(self) -> None:
        """Sign somebody in for each act."""
        for name in (*self.acts(), "untouched"):
            email = f"{name.replace('_', '-')}@example.com"
            person = await self.house.person(email)
            self.ids[name] = person.user.user_id
            if name == "factor":
                await self.house.enrol(person)
                self.grants[name] = await self.house.begin_with_factor(person)
            else:
                self.grants[name] = await self.house.begin(email)

    def acts(self) -> dict:
        return {
            "sign_out": self.sign_out,
            "sign_out_with": self.sign_out_with,
            "end": self.end,
            "everywhere": self.everywhere,
            "by_operator": self.by_operator,
            "password": self.password,
            "factor": self.factor,
            "codes": self.codes,
            "role": self.role,
            "membership": self.membership,
            "disable": self.disable,
            "reuse": self.reuse,
        }

    async def sign_out(self) -> None:
        signed_in = await self.house.signed_in(self.grants["sign_out"])
        await self.house.sessions.sign_out(signed_in)
        await self.house.sessions.sign_out(signed_in)

    async def sign_out_with(self) -> None:
        await self.house.sessions.sign_out_with(self.grants["sign_out_with"].refresh)

    async def end(self) -> None:
        signed_in = await self.house.signed_in(await self.house.begin("end@example.com"))
        await self.house.sessions.end(signed_in, self.grants["end"].session_id)

    async def everywhere(self) -> None:
        signed_in = await self.house.signed_in(self.grants["everywhere"])
        assert 1 == await self.house.sessions.sign_out_everywhere(signed_in)

    async def by_operator(self) -> None:
        ask = {"tenant_id": self.house.tenant_id, "user_id": self.ids["by_operator"]}
        assert 1 == await end_of_member(self.house.db, self.house.clock, by=OPERATOR, **ask)

    async def password(self) -> None:
        await change_password(
            self.house.db,
            self.house.hasher,
            self.house.open_door,
            user_id=self.ids["password"],
            current=PASSWORD,
            new=NEW,
            address=LAPTOP.address,
        )

    async def factor(self) -> None:
        found = await self.house.sign_in.with_password("factor@example.com", PASSWORD, LAPTOP)
        assert not isinstance(found, Grant)
        await remove_totp(self.house.db, (await self.house.sign_in.pending(found.challenge)).person)

    async def codes(self) -> None:
        await replace_recovery_codes(self.house.db, self.ids["codes"])

    async def role(self) -> None:
        await set_role(self.house.db, self.house.clock, role=Role.ADMIN, **self._member("role"))

    async def membership(self) -> None:
        await remove_member(self.house.db, self.house.clock, **self._member("membership"))

    async def disable(self) -> None:
        await disable_user(
            self.house.db, self.house.clock, by=OPERATOR, user_id=self.ids["disable"]
        )

    async def reuse(self) -> None:
        grant = self.grants["reuse"]
        await self.house.refreshed(await self.house.refreshed(grant))
        assert (await self.house.sessions.refresh(grant.refresh, LAPTOP)).reused

    def _member(self, name: str) -> dict:
        return {
            "by": OPERATOR,
            "tenant_id": self.house.tenant_id,
            "user_id": self.ids[name],
            "reason": REASON,
        }


@asynccontextmanager
async def another_process(told: dict) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.session_process",
        cwd=Path(session_process.__file__).parents[1],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stdout.readline()).decode().strip()


async def test_what_ends_a_session_is_told_to_every_process(house: SessionHouse) -> None:
    """
    P5, S1:171, row 33; section 5: logout, password, role, factor, disable, in four processes.

    By notice and not by loss of trust, so each process is live when it refuses. One after the
    other, and what was not touched counts until the end.
    """
    doer = Doer(house)
    await doer.prepare()
    tokens = {name: token_of(grant) for name, grant in doer.grants.items()}
    told = {"dsn": house.dsn, "now_ms": house.clock.now_ms, "tokens": tokens}
    async with (
        another_process(told) as one,
        another_process(told) as two,
        another_process(told) as three,
        another_process(told) as four,
    ):
        processes = (one, two, three, four)
        assert PROCESSES == len(processes)
        for process in processes:
            assert "live" == await line_of(process)
        for name, act in doer.acts().items():
            await act()
            for process in processes:
                assert f"refused {name} live" == await line_of(process)
        assert await house.counts(doer.grants["untouched"])
        for name, grant in doer.grants.items():
            if name != "untouched":
                with pytest.raises(SessionRefused):
                    await house.sessions.refresh(grant.refresh, LAPTOP)


async def test_roles_are_those_of_now_in_every_process(house: SessionHouse) -> None:
    """Row 8 of the gateway attacks: nothing in the token says what its bearer may do."""
    await house.person()
    grant = await house.begin()
    async with house.process() as one, house.process() as two:
        for process in (one, two):
            found = await process.signed_in(token_of(grant))
            assert {house.tenant_id: Role.USER} == found.actor.roles
        for state, roles in (("disabled", {}), ("active", {house.tenant_id: Role.USER})):
            set_state(house, state)
            for process in (one, two):
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        found = await process.signed_in(token_of(grant))
                        if found.actor.roles == roles:
                            break
                        await asyncio.sleep(0)
                assert Standing.LIVE is process.state


def set_state(house: SessionHouse, state: str) -> None:
    """Disable the tenant or bring it back, as the services do."""
    with psycopg.connect(house.dsn, options="-c role=meterr_app") as connection:
        connection.execute("select set_config('meterr.tenant_id', %s, true)", [house.tenant_id])
        connection.execute("update meterr.tenant set state = %s", [state])


async def test_a_warm_session_costs_no_read(house: SessionHouse) -> None:
    """The memory is used: with the table out of reach, what is warm still counts."""
    await house.person()
    grant = await house.begin()
    async with house.process() as process:
        first = await process.signed_in(token_of(grant))
        process._db = None  # type: ignore[assignment]  # whoever asks it fails
        for _ in range(20):
            assert first == await process.signed_in(token_of(grant))


def cut_listeners(admin_dsn: str, *, of: str = "current_database()") -> int:
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        rows = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            f"where datname = {of} and query ilike '%pg_notify%' "
            "and application_name = 'meterr meterr_identity' and pid <> pg_backend_pid()"
        ).fetchall()
    return len(rows)


async def outcome(process: Authority, grant: Grant) -> object:
    try:
        return await process.signed_in(token_of(grant))
    except (SessionRefused, SessionUnverifiable) as error:
        return error


async def test_what_ended_in_a_gap_is_not_believed_afterwards(
    house: SessionHouse, admin_dsn: str
) -> None:
    """Without a listener the database is asked; after the gap nothing of before is remembered."""
    await house.person()
    good = await house.begin()
    async with house.process() as process:
        for _ in range(5):
            ended = await house.begin()
            await process.signed_in(token_of(ended))
            await process.signed_in(token_of(good))
            assert 1 == cut_listeners(admin_dsn)
            await house.sessions.sign_out_with(ended.refresh)
            await until(lambda: process.state is not Standing.LIVE)
            assert isinstance(await outcome(process, ended), SessionRefused)
            assert not isinstance(await outcome(process, good), SessionRefused)
            await until(lambda: process.state is Standing.LIVE)
            assert isinstance(await outcome(process, ended), SessionRefused)
            assert not isinstance(await outcome(process, good), Exception)


async def test_a_process_that_cannot_ask_answers_503_and_lets_nobody_in(
    house: SessionHouse, admin_dsn: str
) -> None:
    """P5: no heartbeat for a second, no database to ask: never a guess, never a 401."""
    await house.person()
    good, ended = await house.begin(), await house.begin()
    async with house.process() as process:
        for grant in (good, ended):
            await process.signed_in(token_of(grant))
        accept_connections(admin_dsn, accept=False)
        try:
            elsewhere = psycopg.conninfo.make_conninfo(admin_dsn, dbname="postgres")
            name = psycopg.conninfo.conninfo_to_dict(admin_dsn)["dbname"]
            await house.sessions.sign_out_with(ended.refresh)
            with psycopg.connect(elsewhere, autocommit=True) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    [name],
                )
            await until(lambda: process.state is not Standing.LIVE)
            for grant in (good, ended):
                found = await outcome(process, grant)
                assert isinstance(found, SessionUnverifiable)
                assert (503, 1) == (found.status, found.retry_after_s)
            assert isinstance(await outcome(process, _garbled(good)), SessionRefused)
        finally:
            accept_connections(admin_dsn, accept=True)
        await until(lambda: process.state is Standing.LIVE)
        assert isinstance(await outcome(process, ended), SessionRefused)
        assert not isinstance(await outcome(process, good), Exception)


async def test_without_a_listener_everything_is_right_at_one_read_each(
    house: SessionHouse,
) -> None:
    """A process that does not run the listener asks each time."""
    await house.person()
    grant = await house.begin()
    assert Standing.DEAF is house.authority.state
    assert await house.counts(grant)
    await house.sessions.sign_out_with(grant.refresh)
    assert not await house.counts(grant)


def _garbled(grant: Grant) -> Grant:
    text = token_of(grant)
    # Not at the end: the bits of its last characters seldom all count.
    another = "B" if text[-10] == "A" else "A"
    return Grant(
        session_id=grant.session_id,
        user_id=grant.user_id,
        access=SecretStr(text[:-10] + another + text[-9:]),
        refresh=grant.refresh,
        access_ends_at_ms=0,
        refresh_ends_at_ms=0,
    )
