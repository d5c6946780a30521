"""Notices that others send: any login of the database may, and it must not cost much."""

import json
from collections.abc import AsyncIterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.clock import SystemClock
from meterr.core.db import Connection, Database, Role
from meterr.identity import revoke_key, store
from meterr.identity.bucket import Bucket
from meterr.identity.key_memory import KeyMemory
from meterr.identity.notify import CHANNEL, NOTICE_CHARS_MAX
from meterr.identity.snapshot import Snapshot
from meterr.identity.trust import Standing
from support.identity import House, until

RUBBISH = (
    "",
    "rubbish",
    "{}",
    "[]",
    "null",
    '{"version": 1}',
    '{"version": -1, "tenant_id": "x"}',
    '{"version": 1e99, "tenant_id": "x"}',
    '{"version": 9223372036854775808, "tenant_id": "x"}',
    '{"version": "1", "tenant_id": "x"}',
    '{"version": 1, "mac": "xyz"}',
    '{"version": 1, "mac": "00"}',
    '{"version": 1, "tenant_id": 7}',
    "{" * 999,
    "\u2028\U0001f4a3",
    json.dumps({"version": 1, "tenant_id": "x" * NOTICE_CHARS_MAX}),
)
_CONNECTED = """select array_agg(pid order by pid) from pg_stat_activity
                 where datname = current_database() and application_name = 'meterr meterr_auth'"""


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as opened:
        yield opened


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 5)), max_size=30))
def test_no_more_is_allowed_than_the_burst_and_the_rate(asked: list[tuple[int, float]]) -> None:
    """A law: whatever is asked when, and however the clock goes."""
    bucket, now, taken = Bucket(per_s=3, burst=10), 100.0, 0
    for wanted, later in asked:
        now += later
        got = bucket.take(wanted, now)
        assert 0 <= got <= wanted
        taken += got
    assert taken <= 10 + 3 * (now - 100.0) + 1e-6


def test_a_clock_that_goes_back_fills_nothing() -> None:
    """And nothing twice when it comes forward again."""
    bucket = Bucket(per_s=1, burst=2)
    assert [2, 0, 0, 1] == [bucket.take(5, now) for now in (10.0, 5.0, 10.0, 11.0)]


@pytest.mark.parametrize("payload", [each for each in RUBBISH if len(each) < NOTICE_CHARS_MAX])
def test_what_is_no_notice_of_ours_forgets_nothing(payload: str) -> None:
    """Before, each of these made a process read all that it knew again."""
    assert not KeyMemory(Snapshot(), SystemClock()).hear(payload)


async def test_rubbish_makes_no_process_listen_or_read_anew(house: House, admin_dsn: str) -> None:
    """P5 and cost: the connection stays, what is warm stays warm, and revocations still come."""
    key, other = await house.key(), await house.key()
    async with house.process() as process:
        for each in (key, other):
            await process.authenticate(each.secret.presented)
        with psycopg.connect(admin_dsn, autocommit=True) as stranger:
            before = stranger.execute(_CONNECTED).fetchone()
            for payload in RUBBISH * 20:
                stranger.execute("select pg_notify(%s, %s)", [CHANNEL, payload])
            # Delivered in the order of commits: when this one came, so had they.
            await revoke_key(house.db, house.tenant_id, other.record.key_id)
            await until(
                lambda: (
                    process.state is Standing.LIVE and process.warm(other.secret.presented) is None
                )
            )
            assert process.warm(key.secret.presented) is not None
            assert before == stranger.execute(_CONNECTED).fetchone()
            assert before != (None,)


async def test_forged_notices_cost_a_limited_number_of_reads(house: House) -> None:
    """What is forgotten beyond that is read when somebody calls with it, and never believed."""
    keys = [await house.key() for _ in range(12)]
    macs = [house.keyring.mac(key.secret.presented) for key in keys]
    snapshot = Snapshot()
    memory = KeyMemory(snapshot, SystemClock(), Bucket(per_s=0, burst=5))
    forged = json.dumps({"tenant_id": house.tenant_id, "version": 2**62})
    async with (
        Database.open(house.dsn, Role.AUTH, pool_size_max=1) as db,
        db.session() as connection,
    ):
        await warmed(snapshot, connection, macs)
        assert memory.hear(forged)
        assert 0 == len(snapshot)
        await memory.catch_up(connection)
        assert 5 == len(snapshot)
        assert memory.hear(forged)
        await memory.catch_up(connection)
        assert 0 == len(snapshot)
        # After a gap everything is uncertain: it is read again, however much it is.
        await warmed(snapshot, connection, macs)
        memory.start_generation()
        await memory.catch_up(connection)
        assert len(macs) == len(snapshot)


async def warmed(snapshot: Snapshot, connection: Connection, macs: list[bytes]) -> None:
    read = snapshot.begin_read(0.0)
    snapshot.finish_read(read, await store.read_keys(connection, macs), macs)
    assert len(macs) == len(snapshot)
