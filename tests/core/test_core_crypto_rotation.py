"""Rotation while everything runs: nothing fails, nothing is left, the old key opens nothing."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from meterr.core.crypto import (
    KeyMissing,
    Place,
    Rotated,
    Unreadable,
    retire_key_encryption_keys,
    rewrap_data_keys,
)
from meterr.core.crypto.envelope import key_version
from meterr.core.crypto.errors import KeyRetired
from meterr.core.crypto.key_file import create_file, open_file, replace_file
from meterr.core.crypto.rotation import Rewrapped
from meterr.core.crypto.wrapping import unwrap
from meterr.core.db import Database, Role
from support.identity import until
from support.sealed import UPDATE, Vault, new_key, new_tenant, place, raw

ROWS = 450  # more than two batches


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP, pool_size_max=8) as database:
        yield database


@pytest.fixture
def vault(db: Database, database_url: str) -> Vault:
    return Vault(db, database_url)


async def fill(vault: Vault, tenant: str, rows: int) -> None:
    for number in range(rows):
        await vault.put(tenant, f"row {number:05}", secret_of(number))


def alter(admin_dsn: str, tenant: str, row: str) -> bytes:
    """Flip a bit of a sealed value; return what stands there then."""
    altered = bytearray(raw(admin_dsn, tenant)[row])
    altered[-1] ^= 1
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(UPDATE, [bytes(altered), tenant, row])
    return bytes(altered)


def secret_of(number: int) -> bytes:
    return f"sk-canary-{number:05}".encode()


class Load:
    """Readers and writers of some tenants that go on until told to stop, and count failures."""

    def __init__(self, vault: Vault, tenants: list[str]) -> None:
        self._vault = vault
        self._tenants = tenants
        self.reads = 0
        self.writes = 0
        self.failures: list[str] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        work = [self._read, self._read, self._write]
        tasks = [asyncio.create_task(self._go_on(stop, each)) for each in work]
        yield
        # It goes on for a while after what it is to disturb has ended.
        reads, writes = self.reads + 50, self.writes + 20
        await until(lambda: bool(self.failures) or (self.reads > reads and self.writes > writes))
        stop.set()
        await asyncio.gather(*tasks)

    async def _go_on(self, stop: asyncio.Event, work: Callable[[int], Awaitable[None]]) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                await work(number)
            # Whatever it is, it is what the test counts.
            except Exception as error:  # noqa: BLE001 - counted, not swallowed
                self.failures.append(repr(error))

    async def _read(self, number: int) -> None:
        tenant = self._tenants[number % len(self._tenants)]
        assert secret_of(number % 10) == await self._vault.get(tenant, f"row {number % 10:05}")
        self.reads += 1

    async def _write(self, number: int) -> None:
        tenant = self._tenants[number % len(self._tenants)]
        await self._vault.change(tenant, f"row {number % 10:05}", secret_of(number % 10))
        self.writes += 1


async def test_a_new_key_encryption_key_under_load_fails_no_read(
    vault: Vault, admin_dsn: str
) -> None:
    """S1:230, S1:418-429: 0 failed reads and writes, count 0 under the old key, which then opens
    nothing and wraps nothing.
    """
    tenants = [new_tenant() for _ in range(20)]
    for tenant in tenants:
        await fill(vault, tenant, 10)
    old, new = vault.keys.current, new_key("k2")
    both = vault.with_keys(new, [old])  # what every host has before the rotation begins
    load = Load(vault.with_keys(old, [new]), tenants)

    async with load.running():
        assert 20 == (await rewrap_data_keys(vault.db, both.data_keys)).keys
        assert ["k1"] == await retire_key_encryption_keys(vault.db, "k2")

    assert [] == load.failures
    assert ("retired", 0) == (await both.counts())["", "k1"]
    assert ("current", 20) == (await both.counts())["", "k2"]
    assert secret_of(3) == await vault.with_keys(new).get(tenants[0], "row 00003")
    with psycopg.connect(admin_dsn) as connection:
        wrapped = connection.execute(
            "select tenant_id::text, version, wrapped from meterr.data_key"
        ).fetchall()
    for tenant, version, bytes_ in wrapped:
        with pytest.raises(Unreadable):
            unwrap(bytes_, old, tenant, version)
    with pytest.raises(KeyMissing):
        await vault.with_keys(old).get(tenants[0], "row 00003")
    with pytest.raises(KeyRetired, match="was retired"):
        await vault.with_keys(old, [new]).put(new_tenant(), "a", b"b")


async def test_new_data_keys_under_load_leave_nothing_under_the_old(
    vault: Vault, admin_dsn: str
) -> None:
    """S1:230: every value sealed anew, 0 failed reads and writes, the old data key gone."""
    tenants = [new_tenant(), new_tenant()]
    for tenant in tenants:
        await fill(vault, tenant, ROWS)
    before = raw(admin_dsn, tenants[0])
    load = Load(vault.with_keys(vault.keys.current), tenants)

    async with load.running():
        done = await vault.rotate()

    assert [] == load.failures
    assert (2, (), 0) == (done.tenants, done.unreadable, done.unfinished)
    counts = await vault.counts()
    for tenant in tenants:
        assert ("retired", 0) == counts[tenant, "1"]
        assert ("current", ROWS) == counts[tenant, "2"]
    after = raw(admin_dsn, tenants[0])
    assert {2} == {key_version(value) for value in after.values()}
    assert before.keys() == after.keys()
    assert secret_of(7) == await vault.with_keys(vault.keys.current).get(tenants[0], "row 00007")
    with (
        psycopg.connect(admin_dsn) as connection,
        pytest.raises(psycopg.errors.ForeignKeyViolation),
    ):
        connection.execute(
            "update meterr.provider_credential set secret = %s where upstream = 'row 00007'",
            [before["row 00007"]],
        )


async def test_a_rotation_leaves_a_tenant_that_came_after_it_began(vault: Vault) -> None:
    """A second run that finishes the first gives no second new key."""
    done, cut_off, later = new_tenant(), new_tenant(), new_tenant()
    for tenant in (done, cut_off):
        await fill(vault, tenant, 3)
    await vault.rotate()
    started_at_ms = int(await vault.db.server_time_s() * 1000)
    async with vault.db.tenant_transaction(cut_off) as connection:
        await vault.data_keys.add_version(connection, cut_off, created_at_ms=started_at_ms)
    await fill(vault, later, 3)

    again = await vault.rotate()

    counts = await vault.counts()
    assert (2, 6) == (again.tenants, again.values)
    assert ("current", 3) == counts[done, "3"] == counts[cut_off, "3"]
    assert ("current", 3) == counts[later, "1"]


async def test_a_key_that_something_needs_cannot_retire(vault: Vault, admin_dsn: str) -> None:
    """PostgreSQL itself refuses, whoever asks and whatever was counted before."""
    tenant = new_tenant()
    await vault.put(tenant, "openai", b"a")

    assert [] == await retire_key_encryption_keys(vault.db, "k2")
    for statement in (
        "update meterr.key_encryption_key set live_kek_id = null, retired_at = now()",
        """update meterr.data_key set live_version = null, kek_id = null, wrapped = null,
                  retired_at = now()""",
        "delete from meterr.data_key",
    ):
        with (
            psycopg.connect(admin_dsn) as connection,
            pytest.raises(psycopg.errors.ForeignKeyViolation),
        ):
            connection.execute(statement)
    assert b"a" == await vault.get(tenant, "openai")


async def test_a_value_being_written_under_the_old_key_keeps_it_alive(vault: Vault) -> None:
    """The rotation waits for the writer that began before it, and then moves its value too."""
    tenant = new_tenant()
    await vault.put(tenant, "first", b"a")
    writer = vault.with_keys(vault.keys.current)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with vault.db.tenant_transaction(tenant) as connection:
            await connection.execute("select 1")
            begun.set()
            await writer.data_keys.seal(connection, place(tenant, "held"), b"held")
            await go_on.wait()

    writing = asyncio.create_task(write())
    await begun.wait()
    rotating = asyncio.create_task(vault.rotate())
    await writer.put(tenant, "second", b"b")
    go_on.set()
    await writing
    await rotating

    assert [b"a", b"b"] == [await vault.get(tenant, row) for row in ("first", "second")]
    assert ("retired", 0) == (await vault.counts())[tenant, "1"]


async def test_an_altered_value_is_counted_and_left(vault: Vault, admin_dsn: str) -> None:
    """S1:241: a rotation neither hides what was altered nor stops at it."""
    tenant = new_tenant()
    await fill(vault, tenant, 5)
    altered = alter(admin_dsn, tenant, "row 00002")

    done = await vault.rotate()

    left = (place(tenant, "row 00002"),)
    assert Rotated(tenants=1, values=4, unreadable=left, unfinished=1) == done
    assert altered == raw(admin_dsn, tenant)["row 00002"]
    assert {"1": ("old", 1), "2": ("current", 4)} == {
        key: use for (whose, key), use in (await vault.counts()).items() if whose == tenant
    }


async def test_what_cannot_be_read_holds_up_no_later_rotation(vault: Vault, admin_dsn: str) -> None:
    """S1:241, S1:230: every rotation after it still gives every tenant a new data key."""
    bad, good = new_tenant(), new_tenant()
    for tenant in (bad, good):
        await fill(vault, tenant, 3)
    altered = alter(admin_dsn, bad, "row 00001")
    left = (place(bad, "row 00001"),)
    for version in (2, 3, 4):
        assert Rotated(tenants=2, values=5, unreadable=left, unfinished=1) == await vault.rotate()
        counts = await vault.counts()
        assert ("retired", 0) == counts[good, str(version - 1)]
        assert ("current", 3) == counts[good, str(version)]
        assert ("old", 1) == counts[bad, "1"]
        assert ("current", 2) == counts[bad, str(version)]
    assert ("retired", 0) == counts[bad, "2"] == counts[bad, "3"]
    assert altered == raw(admin_dsn, bad)["row 00001"]

    await vault.change(bad, "row 00001", b"set anew")
    assert Rotated(tenants=1) == await vault.rotate()  # what is left of the last one
    assert ("retired", 0) == (await vault.counts())[bad, "1"]


async def test_a_rotation_that_was_cut_off_is_finished_also_beside_what_cannot_be_read(
    vault: Vault, admin_dsn: str
) -> None:
    """The second run gives no second new key to whom the first had given one."""
    bad, moved, cut_off = new_tenant(), new_tenant(), new_tenant()
    for tenant in (bad, moved, cut_off):
        await fill(vault, tenant, 3)
    alter(admin_dsn, bad, "row 00001")
    await vault.rotate()
    started_at_ms = int(await vault.db.server_time_s() * 1000)
    for tenant in (bad, cut_off):
        async with vault.db.tenant_transaction(tenant) as connection:
            await vault.data_keys.add_version(connection, tenant, created_at_ms=started_at_ms)

    again = await vault.rotate()

    counts = await vault.counts()
    assert (3, 8, 1) == (again.tenants, again.values, len(again.unreadable))
    assert ("current", 3) == counts[moved, "3"] == counts[cut_off, "3"]
    assert ("current", 2) == counts[bad, "3"]


async def test_a_data_key_that_does_not_open_holds_up_no_other_tenant(
    vault: Vault, admin_dsn: str
) -> None:
    """S1:241: what is under it is told, and stays; everybody else gets new keys."""
    bad, good = sorted([new_tenant(), new_tenant()])
    for tenant in (bad, good):
        await fill(vault, tenant, 2)
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            "update meterr.data_key set wrapped = set_byte(wrapped, 60, get_byte(wrapped, 60) # 1)"
            " where tenant_id = %s",
            [bad],
        )
    new = vault.with_keys(new_key("k2"), [vault.keys.current])

    rewrapped = await rewrap_data_keys(vault.db, new.data_keys)
    rotated = await new.rotate()

    assert Rewrapped(1, (Place(bad, "data_key", "wrapped", ("1",)),)) == rewrapped
    left = tuple(place(bad, f"row {n:05}") for n in range(2))
    assert Rotated(tenants=2, values=2, unreadable=left, unfinished=1) == rotated
    assert ("current", 2) == (await new.counts())[good, "2"]
    assert secret_of(1) == await new.get(good, "row 00001")
    assert [] == await retire_key_encryption_keys(new.db, "k2")


async def test_no_key_material_is_in_any_table_after_a_rotation(
    vault: Vault, admin_dsn: str
) -> None:
    """P6: canaries of both keys and of the values, in the whole schema: 0 hits."""
    tenant = new_tenant()
    await fill(vault, tenant, 3)
    new = new_key("k2")
    await rewrap_data_keys(vault.db, vault.with_keys(new, [vault.keys.current]).data_keys)
    materials = [
        base64.urlsafe_b64decode(key.text().rpartition(".")[2] + "=")
        for key in (vault.keys.current, new)
    ]
    with psycopg.connect(admin_dsn) as connection:
        names = connection.execute(
            "select tablename from pg_tables where schemaname = 'meterr'"
        ).fetchall()
        dumped = b""
        for (name,) in names:
            with connection.cursor().copy(f"copy (select * from meterr.{name}) to stdout") as copy:
                dumped += b"".join(bytes(block) for block in copy)

    assert b"k2" in dumped
    for canary in (b"sk-canary", *materials, *(m.hex().encode() for m in materials)):
        assert canary not in dumped


async def test_a_process_follows_a_rotation_of_the_key_file(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    """`meterr up` goes on reading and writing after its file was rotated beside it."""
    file = tmp_path / "keys"
    create_file(file, lambda: new_key("k1"))
    running, tenant = Vault(db, database_url, open_file(file)), new_tenant()
    await running.put(tenant, "a", b"before")
    replace_file(file, [new_key("k2"), *open_file(file)])
    rotating = Vault(db, database_url, open_file(file))
    await rewrap_data_keys(db, rotating.data_keys)
    assert ["k1"] == await retire_key_encryption_keys(db, "k2")
    replace_file(file, [rotating.keys.current])
    running.data_keys.forget(tenant)

    assert b"before" == await running.get(tenant, "a")
    other = new_tenant()
    await running.put(other, "b", b"after")
    assert b"after" == await Vault(db, database_url, open_file(file)).get(other, "b")
