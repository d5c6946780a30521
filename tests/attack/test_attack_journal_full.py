"""The journal meets a full disk or its own limit while PostgreSQL is away."""

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meterr.core.migrate import migrate
from meterr.core.postgres import EmbeddedPostgres
from support import own_postgres, server
from support.load import CHAT_STREAM, Load, Seen, call
from support.meterr_house import House, open_house
from support.witness import (
    JOURNALS,
    assert_nothing_lost_and_nothing_twice,
    assert_settled_exactly,
    audit,
    undrained,
)

pytestmark = [pytest.mark.attack, pytest.mark.timeout(600)]

SMALL = '[log]\nrequests = "none"\n[journal]\nsegment_bytes = 65536\n'
MIB = 1 << 20
STREAMS = 6


@contextmanager
def mounted(path: Path, size: int) -> Iterator[None]:
    """Put a disk of ``size`` bytes at ``path``; skips where that is not allowed, but not in CI."""
    path.mkdir(mode=0o700)
    options = f"size={size},mode=0700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        reason = f"no file system can be mounted here: {done.stderr.decode().strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def postgres_of_ours() -> Iterator[EmbeddedPostgres]:
    with (
        server.open_directory() as root,
        EmbeddedPostgres(root, server.newest_binaries()) as running,
    ):
        asyncio.run(migrate(running.dsn))
        yield running


@pytest.fixture(params=["full disk", "limit reached"])
def house(
    request: pytest.FixtureRequest, postgres_of_ours: EmbeddedPostgres, data_root: Path
) -> Iterator[House]:
    admin = own_postgres.admin_dsn(postgres_of_ours)
    if request.param == "limit reached":
        config = SMALL + f"total_bytes_max = {MIB}\n"
        with open_house(postgres_of_ours.dsn, admin, data_root, config=config) as running:
            yield running
        return
    with (
        mounted(data_root / JOURNALS, MIB),
        open_house(postgres_of_ours.dsn, admin, data_root, config=SMALL) as running,
    ):
        yield running


def is_journal_full(seen: Seen) -> bool:
    """Say whether the caller was told in its dialect that the journal takes no more calls."""
    if seen.status != 503 or int(seen.headers["retry-after"]) < 1:
        return False
    body = json.loads(seen.body)
    if "journal" not in body["error"]["message"]:
        return False
    return (seen.kind.startswith("messages")) == (body.get("type") == "error")


async def slow_streams(house: House) -> list[Seen]:
    """Make some streams at once that take seconds each."""
    pace = {"chunk_delay_ms": 500}
    return await asyncio.gather(
        *(call(house.base_url, house.key, CHAT_STREAM, (50, 5), pace) for _ in range(STREAMS))
    )


def test_a_full_journal_refuses_calls_before_they_leave_and_settles_the_open_ones(
    house: House, postgres_of_ours: EmbeddedPostgres, tell: Callable[[str], None]
) -> None:
    """P2: PostgreSQL away for longer than the journal has room; nothing dropped, nothing free."""
    streams: list[Seen] = []
    open_streams = threading.Thread(target=lambda: streams.extend(asyncio.run(slow_streams(house))))
    with Load(lambda: house.base_url, house.key, seed=4, callers=8) as load:
        house.until(lambda: load.whole > 20)
        own_postgres.kill(postgres_of_ours)  # at once: a stop waits for its checkpoint
        open_streams.start()
        house.until(lambda: house.look("/readyz")[1]["open_calls"] >= STREAMS)
        house.until(lambda: load.statuses()[503] > 50)
        open_streams.join()
        own_postgres.start_again(postgres_of_ours)
        house.until(lambda: house.look("/readyz")[0] == 200)
        house.until(lambda: {200} == set(load.statuses(len(load.seen) - 30)))
    house.until(lambda: not undrained(house))
    found = audit(house)
    refused = [each for each in load.seen if each.status == 503]
    assert [True] * STREAMS == [each.whole for each in streams]
    assert [] == [each for each in refused if not is_journal_full(each)]
    assert set() == found.received.keys() & {each.id for each in refused}
    assert [] == [each for each in load.seen if each.status not in (200, 503)]
    assert [] == [each for each in load.seen if each.whole != (each.status == 200)]
    assert {} == found.never_left
    assert_nothing_lost_and_nothing_twice(found)
    assert [] == assert_settled_exactly(found, [*load.seen, *streams])
    tell(f"{load.whole} calls taken, {load.statuses()[503]} refused, {found.rows} entries")
