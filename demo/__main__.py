"""``python -m demo [--once]``: exit status 0 when every proof holds."""

import argparse
import os
import signal
import sys
import time
from importlib import import_module
from types import FrameType

from demo.running import DemoFailed, Running, own_environment, started
from demo.terminal import Terminal

INTERRUPTED = 130
_LOG_LINES = 15


class _Interrupted(KeyboardInterrupt):
    # A KeyboardInterrupt itself, in code that a library compiles while it is loaded, makes
    # ``python -m`` die of SIGINT at its end, also when it was caught.
    pass


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(prog="./dev demo", description="See meterr at work.")
    parser.add_argument("--once", action="store_true", help="end after the proofs")
    arguments = parser.parse_args()
    terminal = Terminal(os.environ)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    # The SDKs read the environment by themselves: a provider of the reader must not be called.
    own = own_environment(os.environ)
    for name in os.environ.keys() - own.keys():
        del os.environ[name]
    os.environ.update(own)
    try:
        with started(own) as running:
            return _run(running, terminal, once=arguments.once)
    except DemoFailed as error:
        terminal.failure(str(error))
        return 1
    except KeyboardInterrupt:
        terminal.line()
        terminal.line("Interrupted; everything is stopped and removed.")
        return INTERRUPTED


def _run(running: Running, terminal: Terminal, *, once: bool) -> int:
    begun = time.monotonic()
    terminal.heading("meterr: everything is real but the provider, which is simulated, and free")
    terminal.aside(f"log of all processes: {running.log}")
    try:
        # Loading the SDKs takes seconds; PostgreSQL starts in the same time.
        story = import_module("demo.story")
        url, key = running.until_ready()
        terminal.line(
            f"PostgreSQL, gateway and simulator are ready at {url} "
            f"after {time.monotonic() - begun:.1f} s"
        )
        proven: bool = story.tell(running, url, key, terminal)
    except KeyboardInterrupt:
        raise
    # Whatever went wrong, the reader wants to see what meterr said; the log is removed with it.
    except Exception:
        _show_log(running, terminal)
        raise
    terminal.heading(f"{'All proofs hold' if proven else 'A proof failed'}, {_since(begun)}")
    if proven and not once:
        try:
            story.invite(running, url, key, terminal)
        except KeyboardInterrupt:
            terminal.line()
            terminal.line("Stopping; nothing is left behind.")
    return 0 if proven else 1


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.1f} s in all"


def _show_log(running: Running, terminal: Terminal) -> None:
    terminal.heading(f"The last lines of {running.log.name}")
    for line in running.log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]:
        terminal.aside(line)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise _Interrupted


if __name__ == "__main__":
    sys.exit(main())
