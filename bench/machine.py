"""What a measurement must know of the machine: cores, CPU time, memory, and who else is running."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Cores:
    """Where the load runs (with mock and databases) and where the contender; None: unpinned."""

    load: int | None
    contender: int | None

    def pinned(self, core: int | None) -> list[str]:
        """Return the words that start a command on ``core``."""
        return [] if core is None else ["taskset", "-c", str(core)]


def choose_cores() -> Cores:
    """Take the last two cores that we may use; with one core, or without taskset, pin nothing."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2 or shutil.which("taskset") is None:
        return Cores(None, None)
    return Cores(load=usable[-2], contender=usable[-1])


def pin(pid: int, core: int | None) -> None:
    """Move all threads of a running process to ``core``."""
    if core is None:
        return
    for thread in (_PROC / str(pid) / "task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _stat(pid: int | str) -> list[str]:
    """Return the fields after the name, which may hold spaces: the state is number 0."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its threads have used, without its children."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Return resident memory in MB."""
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def age_of_boot_clock(pid: int) -> float:
    """Return the moment a process was started, on CLOCK_BOOTTIME, to 10 ms."""
    return int(_stat(pid)[19]) / _TICKS_PER_S


def descendants(root: int) -> set[int]:
    """Return ``root`` and every process below it."""
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(_stat(entry.name)[1])
            except OSError:  # it ended while we looked
                continue
    found = {root}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def _busy_s() -> float:
    fields = [int(word) for word in (_PROC / "stat").read_text().split("\n")[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / _TICKS_PER_S


def _ours_s() -> float:
    total = 0
    for pid in descendants(os.getpid()):
        try:
            total += sum(int(word) for word in _stat(pid)[11:15])
        except OSError:  # its parent is charged with it from now on
            continue
    return total / _TICKS_PER_S


class Strangers:
    """The share of the machine that processes other than ours took since this was made."""

    def __init__(self) -> None:
        self._since = monotonic()
        self._busy = _busy_s()
        self._ours = _ours_s()

    def share(self) -> float:
        """Return 0 to 1 of all cores; the kernel's own work for our sockets may count as ours."""
        passed = (monotonic() - self._since) * (os.cpu_count() or 1)
        taken = (_busy_s() - self._busy) - (_ours_s() - self._ours)
        return max(0.0, taken / passed)


def facts() -> dict[str, str]:
    """Return what a reader of the figures must know, and nothing that names the machine."""
    model = "unknown CPU"
    for line in (_PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "cpu": model,
        "kernel": ".".join(platform.release().split("-")[0].split(".")[:3]),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
    }
