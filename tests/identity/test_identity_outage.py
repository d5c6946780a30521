"""PostgreSQL stopped, killed, frozen: warm keys, cold keys, and never a 401 for a good one."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.migrate import migrate
from meterr.core.postgres import EmbeddedPostgres
from meterr.identity import Authenticator, Outage
from meterr.identity.errors import KeyRefused
from meterr.identity.model import NewKey, Reason
from meterr.identity.trust import TRUST_S, UNREACHABLE_S, Standing
from support import server
from support.identity import PATIENCE_S, House, is_retry_later, outcome, until
from support.own_postgres import frozen, kill, start_again

# Longer than every window of trust, so that nothing is served on what was known before.
OUTAGE_S = 2 * (TRUST_S + UNREACHABLE_S)


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, to be stopped and killed; fsync on."""
    with (
        server.open_directory() as root,
        EmbeddedPostgres(root, server.newest_binaries()) as running,
    ):
        yield running


@pytest.fixture
async def house(own_server: EmbeddedPostgres) -> AsyncIterator[House]:
    await migrate(own_server.dsn)
    async with House.open(own_server.dsn) as house:
        yield house


def stop(running: EmbeddedPostgres) -> None:
    running.stop()


async def served(process: Authenticator, key: NewKey) -> object:
    return await outcome(process.authenticate(key.secret.presented))


async def warmed(process: Authenticator, *keys: NewKey) -> None:
    for key in keys:
        await process.authenticate(key.secret.presented)
        await until(lambda key=key: process.warm(key.secret.presented) is not None)


@pytest.mark.parametrize("take_away", [stop, kill])
class TestAServerThatIsNotRunning:
    async def test_warm_keys_go_on_and_cold_keys_are_told_to_come_back(
        self, own_server: EmbeddedPostgres, house: House, take_away: Callable[..., None]
    ) -> None:
        """Issue 2: warm keys keep being served; no 401, cold keys get 503 with Retry-After."""
        warm, cold = await house.key(), await house.key()
        async with house.process() as process:
            await warmed(process, warm)
            await asyncio.to_thread(take_away, own_server)
            # The sessions of a killed postmaster answer for some milliseconds more.
            await until(lambda: process.state is Standing.ABSENT)
            over_at = time.monotonic() + OUTAGE_S
            while time.monotonic() < over_at:
                assert (
                    warm.record.key_id == (await process.authenticate(warm.secret.presented)).key_id
                )
                assert is_retry_later(await served(process, cold))
                assert isinstance(await outcome(process.authenticate(b"sk-no")), KeyRefused)
                await asyncio.sleep(0.005)
            assert Standing.ABSENT is process.state
            assert process.warm(warm.secret.presented)

            start_again(own_server)
            async with asyncio.timeout(PATIENCE_S):
                while process.state is not Standing.LIVE:
                    assert not isinstance(await served(process, warm), KeyRefused)
                    await asyncio.sleep(0.005)
            assert cold.record.key_id == (await process.authenticate(cold.secret.presented)).key_id
            assert process.warm(warm.secret.presented)

    async def test_load_across_the_whole_outage_never_sees_a_warm_key_fail(
        self, own_server: EmbeddedPostgres, house: House, take_away: Callable[..., None]
    ) -> None:
        """Issue 2: in the middle of load, through the going, the absence and the coming back."""
        key = await house.key()
        failures: list[object] = []
        served_count = 0
        async with house.process() as process:
            await warmed(process, key)
            over = asyncio.Event()

            async def load() -> None:
                nonlocal served_count
                while not over.is_set():
                    if process.warm(key.secret.presented) is None:
                        answer = await served(process, key)
                        if isinstance(answer, Exception):
                            failures.append(answer)
                    served_count += 1
                    await asyncio.sleep(0.001)

            callers = [asyncio.create_task(load()) for _ in range(20)]
            await asyncio.to_thread(take_away, own_server)
            await until(lambda: process.state is Standing.ABSENT)
            # In a thread: the callers must not be held up by the starting itself.
            await asyncio.to_thread(start_again, own_server)
            await until(lambda: process.state is Standing.LIVE)
            over.set()
            await asyncio.gather(*callers)
        assert [] == [getattr(failure, "private", failure) for failure in failures]
        assert served_count > 0

    async def test_a_warm_key_whose_time_comes_is_refused(
        self, own_server: EmbeddedPostgres, house: House, take_away: Callable[..., None]
    ) -> None:
        """The clock needs no database."""
        key = await house.key(expires_at_ms=house.clock.unix_ms() + 3_600_000)
        async with house.process() as process:
            await warmed(process, key)
            await asyncio.to_thread(take_away, own_server)
            await until(lambda: process.state is Standing.ABSENT)
            assert process.warm(key.secret.presented)
            house.clock.ahead_ms = 3_600_000
            assert process.warm(key.secret.presented) is None
            refused = await served(process, key)
            assert isinstance(refused, KeyRefused)
            assert Reason.EXPIRED is refused.reason

    async def test_the_policy_refuse_serves_nobody(
        self, own_server: EmbeddedPostgres, house: House, take_away: Callable[..., None]
    ) -> None:
        """A word at the call site, for databases that fail over elsewhere."""
        key = await house.key()
        async with house.process(on_outage=Outage.REFUSE) as process:
            await warmed(process, key)
            await asyncio.to_thread(take_away, own_server)
            await until(lambda: process.state is Standing.ABSENT)
            assert process.warm(key.secret.presented) is None
            assert is_retry_later(await served(process, key))


class TestAServerThatComesBack:
    async def test_a_key_revoked_before_we_were_back_is_refused(
        self, own_server: EmbeddedPostgres, house: House
    ) -> None:
        """P5: whoever was faster than our listener has revoked for us too."""
        key = await house.key()
        async with house.process() as process:
            await warmed(process, key)
            own_server.stop()
            await until(lambda: process.state is Standing.ABSENT)
            start_again(own_server)
            # Nothing of ours has run since: this loop was busy starting the server.
            revoke_behind_our_back(own_server, key)
            await until(lambda: process.state is Standing.LIVE)
            assert process.warm(key.secret.presented) is None
            assert isinstance(await served(process, key), KeyRefused)

    async def test_a_process_that_starts_first_serves_when_the_server_does(
        self, own_server: EmbeddedPostgres, house: House
    ) -> None:
        """A database that is away at start is no error, only an outage."""
        key = await house.key()
        own_server.stop()
        async with house.process(listening=False) as process:
            running = asyncio.create_task(process.run())
            await until(lambda: process.state is Standing.ABSENT)
            assert is_retry_later(await served(process, key))
            start_again(own_server)
            await until(lambda: process.state is Standing.LIVE)
            assert not isinstance(await served(process, key), Exception)
            running.cancel()
            await asyncio.wait({running})


class TestAFrozenServer:
    async def test_everybody_is_told_to_come_back_until_it_thaws(
        self, own_server: EmbeddedPostgres, house: House
    ) -> None:
        """DESIGN 7: silence is no proof of absence; a frozen server may wake and revoke."""
        warm, cold = await house.key(), await house.key()
        async with house.process() as process:
            await warmed(process, warm)
            with frozen(own_server):
                await until(lambda: process.state is Standing.UNREACHABLE)
                over_at = time.monotonic() + OUTAGE_S
                while time.monotonic() < over_at:
                    assert process.warm(warm.secret.presented) is None
                    answers = await asyncio.gather(served(process, warm), served(process, cold))
                    assert all(is_retry_later(answer) for answer in answers)
                    assert process.state in (Standing.UNREACHABLE, Standing.DEAF)
                    await asyncio.sleep(0.005)
            await until(lambda: process.state is Standing.LIVE)
            for key in (warm, cold):
                assert not isinstance(await served(process, key), Exception)

    async def test_no_caller_waits_for_it_longer_than_it_must(
        self, own_server: EmbeddedPostgres, house: House
    ) -> None:
        """A thousand callers meet the frozen server and none of them hangs."""
        keys = [await house.key() for _ in range(20)]
        async with house.process() as process:
            await warmed(process, *keys[:10])
            with frozen(own_server):
                await until(lambda: process.state is not Standing.LIVE)
                answers = await asyncio.gather(*(served(process, key) for key in keys * 50))
            assert all(is_retry_later(answer) for answer in answers)
            await until(lambda: process.state is Standing.LIVE)


def revoke_behind_our_back(running: EmbeddedPostgres, key: NewKey) -> None:
    name = conninfo_to_dict(running.dsn)["dbname"]
    with psycopg.connect(make_conninfo(running.admin_dsn, dbname=name)) as connection:
        connection.execute(
            "update meterr.api_key set state = 'revoked', revoked_at = now() where key_id = %s",
            [key.record.key_id],
        )
