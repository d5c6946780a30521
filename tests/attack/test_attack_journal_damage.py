"""Torn and bit-flipped journals of a killed meterr, judged by the next one."""

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from meterr.ledger.journal.record import parse
from meterr.ledger.model import Settled
from support.load import Load
from support.meterr_house import House, open_house, stop
from support.witness import (
    JOURNALS,
    assert_nothing_lost_and_nothing_twice,
    assert_settled_exactly,
    audit,
    undrained,
)

pytestmark = [pytest.mark.attack, pytest.mark.timeout(600)]

QUIET = '[log]\nrequests = "none"\n[journal]\nsegment_bytes = 65536\n'
CALLS = 400
FLIPS = 25


@dataclass(frozen=True)
class Line:
    """Where a settled record lies on disk."""

    file: Path
    offset: int
    size: int  # with its newline
    id: str


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root, config=QUIET) as running:
        yield running


def left_behind(house: House, seed: int) -> Load:
    """Take calls while the drain is stopped, then ``kill -9`` everything."""
    parent = psutil.Process(house.meterr.popen.pid)
    processes = [parent, *parent.children(recursive=True)]
    parent.suspend()
    with Load(lambda: house.base_url, house.key, seed=seed) as load:
        house.until(lambda: len(load.seen) > CALLS)
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # its parent's end was enough for it
            process.kill()
    stop(house.meterr)
    return load


def settled_lines(root: Path) -> Iterator[Line]:
    """Yield every settled record that lies in the journals under ``root``."""
    for file in sorted(root.glob("*-*/*.journal")):
        offset = 0
        for line in file.read_bytes().rstrip(b"\0").splitlines(keepends=True):
            record = parse(line.removesuffix(b"\n"))
            if isinstance(record, Settled):
                yield Line(file, offset, len(line), record.id)
            offset += len(line)


def flip(line: Line, chance: random.Random) -> None:
    """Flip one bit of a line, but not of its end."""
    at = line.offset + chance.randrange(line.size - 1)
    with line.file.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))


def tear(line: Line, chance: random.Random) -> None:
    """Cut a file off inside a line."""
    os.truncate(line.file, line.offset + chance.randint(1, line.size - 2))


def damages_told(house: House) -> set[tuple[str, int]]:
    """Return (file, offset) of every damage that meterr named on standard error."""
    events = [json.loads(each) for each in house.meterr.lines if '"journal_damaged"' in each]
    found = [re.match(r"file=(\S+) offset=(\d+) size=(\d+) reason=", e["message"]) for e in events]
    return {(each[1], int(each[2])) for each in found if each is not None and int(each[3]) > 0}


def test_damaged_lines_cost_only_their_own_records_and_are_named(
    house: House, first_seed: int, tell: Callable[[str], None]
) -> None:
    """P2: no other call suffers; a call whose end is unreadable is closed by estimate."""
    load = left_behind(house, first_seed)
    lines = list(settled_lines(house.data_dir / JOURNALS))
    chance = random.Random(first_seed)
    torn = lines.pop()
    tear(torn, chance)
    flipped = chance.sample(lines, FLIPS)
    for line in flipped:
        flip(line, chance)
    hit = {line.id for line in [*flipped, torn]}

    house.serve_again()
    house.until(lambda: not undrained(house))

    found = audit(house)
    assert_nothing_lost_and_nothing_twice(found)
    assert hit == set(found.of("interrupted"))
    assert hit >= set(assert_settled_exactly(found, load.seen))
    house.until(lambda: len(damages_told(house)) >= len(hit))
    assert {(str(line.file), line.offset) for line in [*flipped, torn]} <= damages_told(house)
    assert list((house.data_dir / JOURNALS / "damaged").iterdir())
    tell(f"{len(lines)} records, {len(hit)} damaged and named, {found.rows} entries")
