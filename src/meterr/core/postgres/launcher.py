"""
Become an unprivileged child that dies with its parent, then become PostgreSQL.

Run by path, standard library only, so that it starts in milliseconds and nothing of meterr is
loaded in the process that PostgreSQL lives in:

    python launcher.py {exec|watch|reach} UID GID PARENT_PID COMMAND [ARGUMENT...]

``exec`` (Linux): the kernel sends SIGQUIT when the parent dies; this process then is the command.
``watch`` (elsewhere): this process stays and watches its standard input, a pipe that the parent
holds; when it closes, the command gets SIGQUIT. ``reach`` exits 0 if the user can enter COMMAND,
a directory. UID -1 keeps the user.

PostgreSQL takes SIGQUIT as "stop at once, recover at the next start": no committed row is lost.
The kernel means the parent *thread*: whoever starts this must do it from a thread that stays.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

PR_SET_PDEATHSIG = 1
CANNOT_RUN = 126
PARENT_GONE = 125


def main(arguments: list[str]) -> int:
    """Do what the module says; returns only when the command is not executed in place."""
    mode, uid, gid, parent_pid = arguments[0], *map(int, arguments[1:4])
    command = arguments[4:]
    os.chdir("/")
    os.umask(0o077)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if mode == "reach":
        return 0 if os.access(command[0], os.X_OK) else 1
    if mode == "watch":
        return watch(command)
    # After setuid, which clears it; before the check, so that no death falls in between.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0) != 0:
        return CANNOT_RUN
    if os.getppid() != parent_pid:
        return PARENT_GONE
    try:
        os.execv(command[0], command)  # noqa: S606 - the argument vector is built by child.py
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - our only voice
        return CANNOT_RUN


def watch(command: list[str]) -> int:
    """Run ``command`` until it ends; stop it when standard input closes; pass signals on."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - our only voice
        return CANNOT_RUN

    def pass_on(number: int, _: FrameType | None) -> None:
        child.send_signal(number)

    def stop_when_the_parent_is_gone() -> None:
        while os.read(0, 1):
            pass
        child.send_signal(signal.SIGQUIT)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, pass_on)
    threading.Thread(target=stop_when_the_parent_is_gone, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
