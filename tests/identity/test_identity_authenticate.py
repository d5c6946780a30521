"""Whose key was presented: one answer for the right one, one public text for all others."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterr.core.db import Database, Role
from meterr.core.principal import Principal, Scope, UnknownPrice
from meterr.identity import Authenticator, Environment, revoke_key
from meterr.identity.api_key import mint
from meterr.identity.errors import KeyRefused, KeyUnverifiable
from meterr.identity.model import Reason, TenantState
from meterr.identity.service import change_tenant
from meterr.identity.trust import Standing
from support.identity import House, outcome, until

HOSTILE = [
    b"' OR '1'='1",
    b"sk-meterr_live_'; drop table meterr.api_key; --",
    b"sk-meterr_live_" + b"\x00" * 32,
    b"\x00",
    b"\xff\xfe\xfd",
    "sk-meterr_live_ééééééééééééééééééééééééééééééé6".encode("latin-1"),
    "ｓｋ-meterr_live_0000000000000000000000000000AAAA".encode(),
    b"%s%s%s%(macs)s",
    b"A" * 5_000_000,
    b"sk-meterr_live_" + b"A" * 32,
]


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


@pytest.fixture
def one_loop() -> asyncio.Runner:
    with asyncio.Runner() as runner:
        yield runner


def stranger() -> bytes:
    """A well-formed key that nobody issued."""
    return mint(Environment.LIVE, os.urandom).presented


def sessions(admin_dsn: str) -> int:
    """Count the sessions through which keys are looked up: PostgreSQL's own word for it."""
    with psycopg.connect(admin_dsn) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() "
            "and application_name = 'meterr meterr_auth'"
        ).fetchone()
    assert row is not None
    return int(row[0])


class TestAGoodKey:
    async def test_is_its_tenants_caller_with_its_own_terms(self, house: House) -> None:
        """The Principal holds what was stored and nothing the caller said."""
        key = await house.key(scopes=["models"], models=["kimi-*"])
        expected = Principal(
            house.tenant_id,
            key.record.key_id,
            frozenset({Scope.MODELS}),
            ("kimi-*",),
            UnknownPrice.REFUSE,
        )
        async with house.process() as process:
            assert process.warm(key.secret.presented) is None
            assert expected == await process.authenticate(key.secret.presented)
            assert expected == process.warm(key.secret.presented)

    async def test_is_served_from_memory_without_the_database(
        self, house: House, admin_dsn: str
    ) -> None:
        """P9: no round trip on the warm path."""
        key = await house.key()
        async with house.process() as process:
            await process.authenticate(key.secret.presented)
            before = sessions(admin_dsn)
            for _ in range(1_000):
                assert process.warm(key.secret.presented)
                assert await process.authenticate(key.secret.presented)
            assert before == sessions(admin_dsn)

    async def test_costs_one_read_when_it_is_cold_and_none_afterwards(
        self, house: House, tmp_path: Path
    ) -> None:
        """Issue 4, bar: libpq's own record of what was sent to the server."""
        key, other = await house.key(), await house.key()
        async with (
            Database.open(house.dsn, Role.AUTH, pool_size_max=1) as db,
            house.process(db=db) as process,
        ):
            await process.authenticate(other.secret.presented)
            with (tmp_path / "sent").open("w+") as record:
                async with db.session() as connection:
                    connection.pgconn.trace(record.fileno())
                for _ in range(100):
                    await process.authenticate(key.secret.presented)
                async with db.session() as connection:
                    connection.pgconn.untrace()
                record.seek(0)
                sent = [line.rstrip().split("\t")[1:4:2] for line in record]
        asked = [kind for side, kind in (each for each in sent if each) if side == "F"]
        assert ["Parse", "Bind", "Describe", "Execute", "Sync"] == asked

    async def test_is_read_every_time_while_nobody_listens(self, house: House) -> None:
        """P5: without a heartbeat memory is never believed."""
        key = await house.key()
        async with house.process(listening=False) as process:
            await process.authenticate(key.secret.presented)
            assert Standing.DEAF is process.state
            assert process.warm(key.secret.presented) is None
            await revoke_key(house.db, house.tenant_id, key.record.key_id)
            with pytest.raises(KeyRefused):
                await process.authenticate(key.secret.presented)


class TestABadKey:
    async def test_every_reason_has_the_same_public_answer(self, house: House) -> None:
        """S1:157, ASVS 6.3.8: nobody learns whether a key once existed."""
        expiring = await house.key(expires_at_ms=house.clock.unix_ms() + 60_000)
        revoked, good = await house.key(), await house.key()
        await revoke_key(house.db, house.tenant_id, revoked.record.key_id)
        async with house.process() as process:
            await process.authenticate(expiring.secret.presented)
            house.clock.ahead_ms = 60_001
            presented = {
                Reason.MALFORMED: b"sk-other",
                Reason.CHECKSUM: good.secret.presented[:-1] + b"-",
                Reason.UNKNOWN: stranger(),
                Reason.EXPIRED: expiring.secret.presented,
                Reason.REVOKED: revoked.secret.presented,
            }
            presented[Reason.CHECKSUM] = good.secret.presented.replace(b"live", b"test")
            errors = {
                reason: await outcome(process.authenticate(key))
                for reason, key in presented.items()
            }
            assert all(process.warm(key) is None for key in presented.values())
        for reason, error in errors.items():
            assert isinstance(error, KeyRefused)
            assert reason is error.reason
            assert reason.value in error.private
            assert (401, "invalid-key", None) == (error.status, error.code, error.retry_after_s)
        assert 1 == len({str(error) for error in errors.values()})

    async def test_a_missing_key_is_told_how_to_send_one(self, house: House) -> None:
        """Issue 2, bad input: each with a clear answer."""
        async with house.process(listening=False) as process:
            with pytest.raises(KeyRefused, match=r"Authorization: Bearer .*x-api-key") as refused:
                await process.authenticate(b"")
        assert Reason.MISSING is refused.value.reason

    async def test_a_disabled_tenant_takes_its_keys_along(self, house: House) -> None:
        """S1:162: a key counts only together with its tenant, and comes back with it."""
        key = await house.key()
        async with house.process() as process:
            await process.authenticate(key.secret.presented)
            await change_tenant(house.db, house.tenant_id, state=TenantState.DISABLED)
            await until(lambda: process.warm(key.secret.presented) is None)
            refused = await outcome(process.authenticate(key.secret.presented))
            assert isinstance(refused, KeyRefused)
            assert Reason.TENANT_DISABLED is refused.reason
            await change_tenant(house.db, house.tenant_id, state=TenantState.ACTIVE)
            await until(lambda: process.warm(key.secret.presented) is not None)


class TestWhatNeverReachesTheDatabase:
    async def test_no_malformed_key_opens_so_much_as_a_session(
        self, house: House, admin_dsn: str
    ) -> None:
        """CVE-2026-42208: a text that is no key is refused before any SQL exists."""
        good = (await house.key()).secret.presented
        async with house.process(listening=False) as process:
            for presented in [*HOSTILE, *mutants(good)]:
                assert process.warm(presented) is None
                refused = await outcome(process.authenticate(presented))
                assert isinstance(refused, KeyRefused)
                assert refused.reason in (Reason.MALFORMED, Reason.CHECKSUM)
            assert 0 == sessions(admin_dsn)
            assert isinstance(await outcome(process.authenticate(stranger())), KeyRefused)
            assert 1 == sessions(admin_dsn)

    @given(st.binary(min_size=1, max_size=300))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_whatever_bytes_come_the_answer_is_401(
        self, one_loop: asyncio.Runner, presented: bytes
    ) -> None:
        """Never a 500, whatever is in the header; there is no database behind this one at all."""
        house_without_server = House("host=/nonexistent", None)  # type: ignore[arg-type]  # no server, no pool
        process = Authenticator(
            None,  # type: ignore[arg-type]  # proves that nobody asks it
            "host=/nonexistent",
            house_without_server.keyring,
            house_without_server.clock,
            on_outage="serve_warm",  # type: ignore[arg-type]  # never comes to that
        )
        assert isinstance(one_loop.run(outcome(process.authenticate(presented))), KeyRefused)


class TestAFloodOfStrangers:
    async def test_costs_one_session_and_leaves_known_keys_alone(
        self, house: House, admin_dsn: str
    ) -> None:
        """Well-formed random keys can be made by anybody: they share one lane of named length."""
        key = await house.key()
        async with house.process() as process:
            await process.authenticate(key.secret.presented)
            flood = [
                asyncio.create_task(outcome(process.authenticate(stranger()))) for _ in range(5_000)
            ]
            while not all(task.done() for task in flood):
                # Where a busy machine keeps the heartbeat for 1 s, memory does not count.
                assert process.warm(key.secret.presented) or process.state is not Standing.LIVE
                await asyncio.sleep(0)
            answers = [task.result() for task in flood]
            # One for the flood, one that the listener holds.
            assert 2 >= sessions(admin_dsn)
            assert await process.authenticate(key.secret.presented)
            assert 1 == len(process._snapshot)
        unknown = [a for a in answers if isinstance(a, KeyRefused) and a.reason is Reason.UNKNOWN]
        busy = [a for a in answers if isinstance(a, KeyUnverifiable) and a.retry_after_s]
        assert len(answers) == len(unknown) + len(busy)
        assert 256 <= len(unknown)
        assert busy

    async def test_many_callers_with_one_cold_key_share_a_read(self, house: House) -> None:
        """A process that just started meets its busiest key a thousand times at once."""
        key = await house.key()
        async with house.process() as process:
            answers = await asyncio.gather(
                *(process.authenticate(key.secret.presented) for _ in range(1_000))
            )
        assert {key.record.key_id} == {caller.key_id for caller in answers}


def mutants(good: bytes) -> list[bytes]:
    return [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
