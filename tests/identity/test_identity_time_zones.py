"""Names of time zones: looked for among this machine's files, which no other request waits for."""

import asyncio
import os
import threading
import zoneinfo
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from meterr.core.errors import Invalid
from meterr.identity.service import change_tenant, create_tenant
from support.identity import House


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as opened:
        yield opened


class SlowFile:
    """A zone file that nobody gets to the end of before the event loop has turned."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self._turned = threading.Event()
        self.loop_turned = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def turn(self) -> None:
        """Say that the loop turns; to be called from it."""
        self._turned.set()

    def _serve(self) -> None:
        with self._path.open("wb"):  # as soon as somebody reads
            self.loop_turned = self._turned.wait(5)

    def close(self) -> None:
        """Wait until it was read; also when nobody will."""
        reader = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        self._thread.join()
        os.close(reader)


@pytest.fixture
def slow_file(tmp_path: Path) -> Iterator[SlowFile]:
    before = zoneinfo.TZPATH
    file = SlowFile(tmp_path / "Slow")
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    yield file
    zoneinfo.reset_tzpath(to=before)
    file.close()


@pytest.mark.parametrize("what", ["change", "create"])
async def test_a_zone_is_looked_for_beside_the_event_loop(
    house: House, slow_file: SlowFile, what: str
) -> None:
    """There are 600 files to look at; whoever asks for a wrong name makes nobody else wait."""
    wrong = {"time_zone": "Europe/Berlim"}
    if what == "change":
        asking = asyncio.create_task(change_tenant(house.db, house.tenant_id, **wrong))
    else:
        asking = asyncio.create_task(create_tenant(house.db, house.ids, "zoned", **wrong))
    asyncio.get_running_loop().call_later(0.01, slow_file.turn)
    with pytest.raises(Invalid):
        await asking
    await asyncio.to_thread(slow_file.close)
    assert slow_file.loop_turned
