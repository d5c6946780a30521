"""Journals for tests: on small segments, on small disks, and in processes that can be killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from journal_samples import PRICE, an_opened, new_ids

from meterr.core.clock import Clock, SystemClock
from meterr.ledger.journal import Journal, JournalFull, Limits, folder

SMALL = Limits(segment_bytes=65_536, total_bytes_max=4 * 65_536)
IDS = new_ids()


def a_journal(root: Path, limits: Limits = SMALL, clock: Clock | None = None) -> Journal:
    return Journal.open(root, clock=clock or SystemClock(), ids=IDS, limits=limits)


def on_file(journal: Journal) -> bytes:
    """What another process sees, and would see after kill -9."""
    parts = [path.read_bytes().rstrip(b"\0") for path in folder.segments(journal.path)]
    return b"".join(parts)


def fill(journal: Journal) -> list[str]:
    """Open calls until the journal refuses; return the ids that it took."""
    taken: list[str] = []
    while True:
        call_id = IDS.new()
        try:
            journal.opened(an_opened(call_id), PRICE)
        except JournalFull:
            return taken
        taken.append(call_id)


@contextmanager
def small_disk(tmp_path: Path, size_kib: int) -> Iterator[Path]:
    """A disk of its own that fills up; needs root, as in CI."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={size_kib}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def exhaust(path: Path) -> None:
    with path.open("ab", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass


@contextmanager
def victim(root: Path, seed: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process that journals until it is killed, and the folder it claimed."""
    script = Path(__file__).with_name("journal_victim.py")
    command = [sys.executable, str(script), str(root), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().split()[1].decode())
        finally:
            process.kill()
            process.stdout.close()
