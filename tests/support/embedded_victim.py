"""
A process that runs an embedded server and writes to it until it is killed.

Prints ``server PID`` when ready, then the number of each row after its commit returned: the witness
of what must be there later. Run as ``python embedded_victim.py ROOT {exec|watch} BIN_DIR``.
"""

import itertools
import sys
from pathlib import Path

import psycopg

from meterr.core.postgres import EmbeddedPostgres
from meterr.core.postgres.child import DeathWatch


def say(*words: object) -> None:
    """Hand one line to whoever reads our standard output, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(root: str, death_watch: str, bin_dir: str) -> None:
    """Write rows until the end."""
    with EmbeddedPostgres(Path(root), Path(bin_dir), death_watch=DeathWatch(death_watch)) as server:
        say("server", server.pid)
        with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
            connection.execute("create table if not exists written (n bigint primary key)")
            row = connection.execute("select coalesce(max(n), 0) from written").fetchone()
            for n in itertools.count(row[0] + 1 if row else 1):
                connection.execute("insert into written values (%s)", [n])
                say(n)


if __name__ == "__main__":
    main(*sys.argv[1:])
