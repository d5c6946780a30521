"""Revoked means revoked: in every process, through every gap."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.principal import Principal
from meterr.identity import Authenticator, revoke_key
from meterr.identity.errors import KeyRefused
from meterr.identity.model import NewKey, Reason
from meterr.identity.trust import Standing
from support.identity import PATIENCE_S, House, is_retry_later, outcome, said, until


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


async def revoke(house: House, key: NewKey) -> None:
    await revoke_key(house.db, house.tenant_id, key.record.key_id)


def cut_listeners(admin_dsn: str) -> int:
    """End every session that listens, as an administrator might; return how many there were."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        rows = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and query ilike '%pg_notify%' "
            "and application_name = 'meterr meterr_auth' and pid <> pg_backend_pid()"
        ).fetchall()
    return len(rows)


def accept_connections(admin_dsn: str, *, accept: bool) -> None:
    """Close or open the database to new sessions; those that exist go on."""
    name = conninfo_to_dict(admin_dsn)["dbname"]
    dsn = make_conninfo(admin_dsn, dbname="postgres")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("alter database {} allow_connections {}").format(
                sql.Identifier(str(name)), sql.Literal(accept)
            )
        )


class TestWithTheDatabaseUp:
    async def test_a_notice_reaches_every_process(self, house: House) -> None:
        """P5: by notice and not by loss of trust, so the process is LIVE when it refuses."""
        key = await house.key()
        async with house.process() as one, house.process() as two:
            for process in (one, two):
                await process.authenticate(key.secret.presented)
            await revoke(house, key)
            for process in (one, two):
                await until(lambda process=process: process.warm(key.secret.presented) is None)
                assert Standing.LIVE is process.state
                with pytest.raises(KeyRefused) as refused:
                    await process.authenticate(key.secret.presented)
                assert Reason.REVOKED is refused.value.reason

    async def test_a_notice_reaches_another_operating_system_process(self, house: House) -> None:
        """P5, LiteLLM #25553: the replica that did not do the revoking."""
        key = await house.key()
        async with house.operating_system_process(key) as other:
            await revoke(house, key)
            assert "refused revoked live" == await said(other)

    async def test_under_load_no_caller_is_let_in_after_the_first_refusal(
        self, house: House
    ) -> None:
        """A revoked key does not flicker: no reader writes it back."""
        key = await house.key()
        async with house.process() as process:
            await process.authenticate(key.secret.presented)
            revoking = asyncio.create_task(revoke(house, key))
            answers: list[object] = []
            while not answers or not isinstance(answers[-1], KeyRefused):
                answers += await asyncio.gather(
                    *(outcome(process.authenticate(key.secret.presented)) for _ in range(20))
                )
                await asyncio.sleep(0)
            await revoking
            for _ in range(500):
                assert process.warm(key.secret.presented) is None
                answers.append(await outcome(process.authenticate(key.secret.presented)))
        refusals = [isinstance(answer, KeyRefused) for answer in answers]
        assert refusals == sorted(refusals)


class TestWithTheListenerCut:
    async def test_a_good_key_never_notices(self, house: House, admin_dsn: str) -> None:
        """DESIGN 7: without heartbeat each key is read from the database."""
        key = await house.key()
        async with house.process() as process:
            for _ in range(5):
                assert 1 == cut_listeners(admin_dsn)
                await until(lambda: process.state is not Standing.LIVE)
                while process.state is not Standing.LIVE:
                    assert await process.authenticate(key.secret.presented)
                    await asyncio.sleep(0.001)
                # What was read while the listener came back is not remembered; this one is.
                assert await process.authenticate(key.secret.presented)
                assert process.warm(key.secret.presented)

    async def test_a_revocation_in_the_gap_is_read_again_before_memory_counts(
        self, house: House, admin_dsn: str
    ) -> None:
        """LISTEN first, then read again: nothing falls between."""
        async with house.process() as process:
            for _ in range(10):
                key = await house.key()
                await process.authenticate(key.secret.presented)
                assert process.warm(key.secret.presented)
                cut_listeners(admin_dsn)
                await revoke(house, key)
                await until(lambda: process.state is not Standing.LIVE)
                await until(lambda: process.state is Standing.LIVE)
                assert process.warm(key.secret.presented) is None
                assert isinstance(
                    await outcome(process.authenticate(key.secret.presented)), KeyRefused
                )

    async def test_a_process_that_cannot_come_back_lets_nobody_in_on_memory(
        self, house: House, admin_dsn: str
    ) -> None:
        """P5: a server that runs but does not take us may revoke: fail closed, and no 401."""
        revoked, good = await house.key(), await house.key()
        async with house.process() as process:
            for key in (revoked, good):
                await process.authenticate(key.secret.presented)
            accept_connections(admin_dsn, accept=False)
            try:
                assert 1 == cut_listeners_from_outside(admin_dsn)
                await until(lambda: process.state is not Standing.LIVE)
                await revoke(house, revoked)
                async with asyncio.timeout(PATIENCE_S):
                    while process.state is not Standing.UNREACHABLE:
                        assert not isinstance(await served(process, revoked), Principal)
                        assert not isinstance(await served(process, good), KeyRefused)
                assert process.warm(good.secret.presented) is None
                assert is_retry_later(await served(process, good))
                assert is_retry_later(await served(process, revoked))
            finally:
                accept_connections(admin_dsn, accept=True)
            await until(lambda: process.state is Standing.LIVE)
            assert process.warm(good.secret.presented)
            assert isinstance(await served(process, revoked), KeyRefused)


async def served(process: Authenticator, key: NewKey) -> object:
    return await outcome(process.authenticate(key.secret.presented))


def cut_listeners_from_outside(admin_dsn: str) -> int:
    """End all look-up sessions of a database that takes no new ones."""
    name = conninfo_to_dict(admin_dsn)["dbname"]
    dsn = make_conninfo(admin_dsn, dbname="postgres")
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "select pg_terminate_backend(pid), query from pg_stat_activity "
            "where datname = %s and application_name = 'meterr meterr_auth'",
            [name],
        ).fetchall()
    return sum("pg_notify" in str(query) for _, query in rows)
