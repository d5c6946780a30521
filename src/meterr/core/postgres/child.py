"""Start processes through the launcher: unprivileged, with a clean environment, mortal."""

import os
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO

from meterr.core.postgres import launcher
from meterr.core.postgres.account import Account

# Nothing of ours: the environment holds credentials, and a superuser of the database could read
# it. LC_ALL keeps the server's messages in English and macOS from starting a thread for locales.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class DeathWatch(StrEnum):
    """How a child learns that its parent has died."""

    KERNEL = "exec"
    PIPE = "watch"

    @classmethod
    def of_this_system(cls) -> "DeathWatch":
        return cls.KERNEL if sys.platform == "linux" else cls.PIPE


def start(
    command: Sequence[str | Path],
    account: Account,
    *,
    death_watch: DeathWatch,
    output: IO[bytes] | int,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """
    Start ``command`` as ``account``; it dies with the calling *thread* (Linux) or process.

    With DeathWatch.PIPE the returned object holds the pipe, as its ``stdin``.
    """
    return subprocess.Popen(
        _arguments(death_watch.value, account, command),
        stdin=subprocess.PIPE if death_watch is DeathWatch.PIPE else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=_ENVIRONMENT,
        pass_fds=pass_fds,
        start_new_session=True,  # Ctrl-C in a terminal is for us; we stop the server last
    )


def run(
    command: Sequence[str | Path],
    account: Account,
    *,
    timeout_s: float,
    mode: str = DeathWatch.KERNEL.value,
    pass_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` as ``account`` to its end; output and errors come back as one text."""
    return subprocess.run(
        _arguments(mode, account, command),
        stdin=subprocess.PIPE if mode == DeathWatch.PIPE.value else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_ENVIRONMENT,
        pass_fds=pass_fds,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )


def can_enter(directory: Path, account: Account) -> bool:
    """Tell whether ``account`` can pass through ``directory``, by trying."""
    return run([directory], account, timeout_s=30, mode="reach").returncode == 0


def _arguments(mode: str, account: Account, command: Sequence[str | Path]) -> list[str]:
    uid, gid = (account.uid, account.gid) if account.switches else (-1, -1)
    return [
        sys.executable,
        "-I",
        "-S",
        str(Path(launcher.__file__)),
        mode,
        str(uid),
        str(gid),
        str(os.getpid()),
        *map(str, command),
    ]
