"""Sessions with PostgreSQL: roles, tenants, and every way a server can be away."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from meterr.core.db import Database, DatabaseUnavailable, Role, connect
from meterr.core.errors import Unavailable
from meterr.core.postgres import EmbeddedPostgres
from support.server import newest_binaries, open_fast

A = "0199aaaa-0000-7000-8000-00000000000a"


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server that these tests may stop, freeze and kill."""
    with open_fast(newest_binaries()) as server:
        yield server


async def one(connection: psycopg.AsyncConnection, statement: str) -> object:
    row = await (await connection.execute(statement)).fetchone()
    assert row is not None
    return row[0]


async def ask(database: Database, statement: str = "select 1") -> object:
    async with database.transaction() as connection:
        return await one(connection, statement)


class TestASession:
    async def test_acts_as_its_role_in_utc_with_a_name(self, database_url: str) -> None:
        """DESIGN 6: the login only takes on group roles."""
        for role in Role:
            async with Database.open(database_url, role) as database:
                assert role.value == await ask(database, "select current_user::text")
                assert "UTC" == await ask(database, "show timezone")
                assert "on" == await ask(database, "show standard_conforming_strings")
                assert f"meterr {role}" == await ask(database, "show application_name")

    async def test_keeps_the_options_of_the_dsn(self, database_url: str) -> None:
        """An operator's own settings survive; ours come last and win."""
        dsn = f"{database_url} options='-c work_mem=7MB -c timezone=Asia/Tokyo'"
        async with Database.open(dsn, Role.APP) as database:
            assert "7MB" == await ask(database, "show work_mem")
            assert "UTC" == await ask(database, "show timezone")

    async def test_acts_for_one_tenant_and_only_during_the_transaction(
        self, database_url: str
    ) -> None:
        """S2:60, P4: transaction-local; the next user of the same connection acts for nobody."""
        setting = "select current_setting('meterr.tenant_id', true)"
        async with Database.open(database_url, Role.APP, pool_size_max=1) as database:
            async with database.tenant_transaction(A) as connection:
                first = connection.info.backend_pid
                assert A == await one(connection, setting)
            async with database.transaction() as connection:
                assert first == connection.info.backend_pid
                assert "" == await one(connection, setting)

    async def test_refuses_to_act_for_a_nameless_tenant(self, database_url: str) -> None:
        """An empty tenant would silently see nothing."""
        async with Database.open(database_url, Role.APP) as database:
            with pytest.raises(ValueError, match="tenant_id is empty"):
                async with database.tenant_transaction(""):
                    pass

    async def test_rolls_back_on_any_error(self, database_url: str) -> None:
        """One function = one use case = one transaction."""
        upstream = "insert into meterr.upstream (name, provider) values ('x', 'y')"
        async with Database.open(database_url, Role.APP) as database:
            with pytest.raises(psycopg.errors.DivisionByZero):
                await ask(database, f"with one as ({upstream} returning 0) select 1/0 from one")
            with pytest.raises(psycopg.errors.UniqueViolation):
                await ask(database, f"{upstream}; {upstream}")
            assert 0 == await ask(database, "select count(*) from meterr.upstream")

    async def test_lets_the_statements_own_errors_through(self, database_url: str) -> None:
        """A wrong statement is a bug, not an outage."""
        async with Database.open(database_url, Role.APP) as database:
            with pytest.raises(psycopg.errors.DivisionByZero):
                await ask(database, "select 1/0")
            assert 1 == await ask(database)


class TestThePool:
    async def test_opens_no_more_than_its_size_and_says_when_all_are_taken(
        self, database_url: str
    ) -> None:
        """A named limit; whoever waits too long gets 503 and no endless wait."""
        async with (
            Database.open(database_url, Role.APP, pool_size_max=2, connect_timeout_s=2) as database,
            AsyncExitStack() as stack,
        ):
            pids = {
                (await stack.enter_async_context(database.transaction())).info.backend_pid
                for _ in range(2)
            }
            assert 2 == len(pids)
            with pytest.raises(DatabaseUnavailable) as caught:
                await ask(database)
            assert not caught.value.server_absent
            await stack.aclose()
            assert 1 == await ask(database)

    async def test_a_cancelled_transaction_gives_its_seat_back(self, database_url: str) -> None:
        """Clients hang up; connections must not leak."""
        async with Database.open(database_url, Role.APP, pool_size_max=1) as database:
            begun = asyncio.Event()

            async def endless() -> None:
                async with database.transaction() as connection:
                    begun.set()
                    await connection.execute("select pg_sleep(600)")

            for _ in range(3):
                begun.clear()
                task = asyncio.create_task(endless())
                await begun.wait()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert 1 == await ask(database)

    async def test_every_connection_is_closed_at_the_end(
        self, database_url: str, admin_dsn: str
    ) -> None:
        """The witness is a lock that lasts as long as the session that took it."""
        async with Database.open(database_url, Role.APP) as database:
            await ask(database, "select pg_advisory_lock(42)")
        with psycopg.connect(admin_dsn, options="-c lock_timeout=30s") as admin:
            row = admin.execute("select true from pg_advisory_lock(42)").fetchone()
        assert (True,) == row


class TestWithoutAServer:
    async def check(self, dsn: str, *, absent: bool) -> None:
        async with Database.open(dsn, Role.APP, connect_timeout_s=2) as database:
            with pytest.raises(DatabaseUnavailable) as caught:
                await ask(database)
        assert isinstance(caught.value, Unavailable)
        assert "database-unavailable" == caught.value.code
        assert caught.value.retry_after_s
        assert absent is caught.value.server_absent

    async def test_a_missing_socket_is_absence(self, tmp_path: Path) -> None:
        """Positive evidence: there is nothing to connect to."""
        await self.check(f"host={tmp_path} dbname=meterr user=meterr", absent=True)

    async def test_a_refused_connection_is_absence(self) -> None:
        """Nobody listens there; the port was bound a moment ago and is free now."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        await self.check(f"host=127.0.0.1 port={port} dbname=x user=x", absent=True)

    async def test_one_silent_host_among_refusing_ones_is_no_absence(self, tmp_path: Path) -> None:
        """Only when every host is shown to be absent is the server absent."""
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(tmp_path / ".s.PGSQL.5432"))
            silent.listen()
            dsn = f"host={tmp_path}/none,{tmp_path} connect_timeout=2 dbname=x user=x"
            await self.check(dsn, absent=False)

    async def test_silence_is_no_proof_of_absence(self, tmp_path: Path) -> None:
        """A listener that never answers: unreachable, but perhaps running."""
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(tmp_path / ".s.PGSQL.5432"))
            silent.listen()
            await self.check(f"host={tmp_path} dbname=x user=x", absent=False)

    async def test_a_wrong_password_is_no_absence(self, own_server: EmbeddedPostgres) -> None:
        """Unavailable to us; certainly there."""
        await self.check(f"{own_server.dsn} password=wrong", absent=False)


class TestAServerThatGoesAway:
    async def test_frozen_it_is_unavailable_within_the_timeout_but_not_absent(
        self, own_server: EmbeddedPostgres
    ) -> None:
        """SIGSTOP: the socket accepts, nobody answers."""
        async with Database.open(own_server.dsn, Role.APP, connect_timeout_s=2) as database:
            os.kill(own_server.pid, signal.SIGSTOP)
            try:
                with pytest.raises(DatabaseUnavailable) as caught:
                    await ask(database)
            finally:
                os.kill(own_server.pid, signal.SIGCONT)
            assert not caught.value.server_absent
            assert 1 == await ask(database)

    async def test_frozen_in_the_middle_of_a_statement_it_is_given_up(
        self, own_server: EmbeddedPostgres
    ) -> None:
        """The server cannot time itself out when it does not run; we do."""
        async with Database.open(
            own_server.dsn, Role.APP, pool_size_max=1, statement_timeout_s=0.2
        ) as database:
            pid = await ask(database, "select pg_backend_pid()")
            assert isinstance(pid, int)
            os.kill(pid, signal.SIGSTOP)
            try:
                with pytest.raises(DatabaseUnavailable) as caught:
                    await ask(database)
            finally:
                os.kill(pid, signal.SIGCONT)
            assert not caught.value.server_absent
            assert pid != await ask(database, "select pg_backend_pid()")

    async def test_a_statement_over_its_time_is_unavailability(
        self, own_server: EmbeddedPostgres
    ) -> None:
        """The server ends it; the connection lives on."""
        async with Database.open(
            own_server.dsn, Role.APP, pool_size_max=1, statement_timeout_s=0.2
        ) as database:
            pid = await ask(database, "select pg_backend_pid()")
            with pytest.raises(DatabaseUnavailable) as caught:
                await ask(database, "select pg_sleep(600)")
            assert not caught.value.server_absent
            assert pid == await ask(database, "select pg_backend_pid()")

    async def test_a_connection_lost_in_use_is_unavailability(
        self, own_server: EmbeddedPostgres
    ) -> None:
        """An administrator ends the session while it is in a transaction."""
        async with Database.open(own_server.dsn, Role.APP) as database:
            async with AsyncExitStack() as stack:
                connection = await stack.enter_async_context(database.transaction())
                end_session(own_server, connection.info.backend_pid)
                with pytest.raises(DatabaseUnavailable):
                    async with stack.pop_all():
                        await connection.execute("select 1")
            assert 1 == await ask(database)

    async def test_an_idle_connection_that_was_cut_is_replaced_without_an_error(
        self, own_server: EmbeddedPostgres
    ) -> None:
        """A restart of the server between two calls costs nobody a call."""
        async with Database.open(own_server.dsn, Role.APP, pool_size_max=1) as database:
            pid = await ask(database, "select pg_backend_pid()")
            assert isinstance(pid, int)
            end_session(own_server, pid)
            assert pid != await ask(database, "select pg_backend_pid()")

    async def test_killed_it_is_absent_and_back_it_is_used_again(
        self, own_server: EmbeddedPostgres
    ) -> None:
        """Warm again without a restart of ours."""
        async with Database.open(own_server.dsn, Role.APP) as database:
            assert 1 == await ask(database)
            own_server._process.send_signal(signal.SIGKILL)
            own_server._process.wait()

            with pytest.raises(DatabaseUnavailable):
                async with database.transaction() as connection:
                    await connection.execute("select pg_sleep(600)")
            with pytest.raises(DatabaseUnavailable) as caught:
                await ask(database)
            assert caught.value.server_absent

            assert own_server.ensure_running()
            assert 1 == await ask(database)

    async def test_stopped_it_is_absent(self, own_server: EmbeddedPostgres) -> None:
        """The socket is gone with the server; `connect` says the same as the pool."""
        own_server.stop()
        with pytest.raises(DatabaseUnavailable) as caught:
            await connect(own_server.dsn, Role.AUTH)
        own_server.start()
        assert caught.value.server_absent


def end_session(server: EmbeddedPostgres, pid: int) -> None:
    """End a session from outside and return when it is gone."""
    with psycopg.connect(server.admin_dsn, autocommit=True) as admin:
        assert (True,) == admin.execute("select pg_terminate_backend(%s, 30000)", [pid]).fetchone()
