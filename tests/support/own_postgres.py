"""A PostgreSQL of a test's own: stopped, killed, frozen and started while others look on."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from psycopg.conninfo import make_conninfo

from meterr.core.postgres import EmbeddedPostgres
from meterr.core.postgres.prepare import DATABASE


def admin_dsn(running: EmbeddedPostgres) -> str:
    """Return the superuser's address of meterr's own database."""
    return make_conninfo(running.admin_dsn, dbname=DATABASE)


def kill(running: EmbeddedPostgres) -> None:
    """``kill -9`` the postmaster and wait until it has ended; its sessions end when they notice."""
    os.kill(running.pid, signal.SIGKILL)
    while running.poll() is None:
        time.sleep(0.001)


def start_again(running: EmbeddedPostgres) -> None:
    """Start a server that was stopped or killed."""
    if running.poll() == 0:
        running.start()
    else:
        running.ensure_running()


@contextmanager
def frozen(running: EmbeddedPostgres) -> Iterator[None]:
    """Stop every process of the server in its tracks: sockets stay open, nothing answers."""
    postmaster = psutil.Process(running.pid)
    postmaster.suspend()  # nobody is born from here on
    family = [postmaster]
    for child in postmaster.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it was just ending
            child.suspend()
            family.append(child)
    try:
        yield
    finally:
        for process in reversed(family):
            with suppress(psutil.NoSuchProcess):
                process.resume()
