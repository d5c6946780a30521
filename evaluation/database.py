"""The database that is asked: migrated, hardened, filled by rule, and seen as one tenant."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from evaluation.asked import FOLDER
from meterr.core.migrate import migrate
from meterr.core.postgres import EmbeddedPostgres
from meterr.query.walls import harden

TENANT = "0199aaaa-0000-7000-8000-00000000000a"
FOREIGN_MARK = "rival"
"""Stands in every text of the other tenant."""

_CENSUS = """
select relation, rows from (values
  ('calls', (select count(*) from meterr.ledger_entry)),
  ('keys', (select count(*) from meterr.api_key)),
  ('limits', (select count(*) from meterr.limit_rule)),
  ('orders', (select count(*) from shop.orders)),
  ('customers', (select count(*) from shop.customers)),
  ('relations', (select count(*) from pg_class)),
  ('functions', (select count(*) from pg_proc)),
  ('roles', (select count(*) from pg_roles))) census (relation, rows)"""


def fill(admin_dsn: str) -> str:
    """Fill a migrated database and return the DSN of the tenant that asks."""
    script = cast("LiteralString", (FOLDER / "fill.sql").read_text())
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(script)
        row = connection.execute("select 'mq_' || md5(current_database())").fetchone()
        connection.execute("analyze")
    return make_conninfo(admin_dsn, user=str(row[0]) if row else "", password="evaluation")


def drop_asker(admin_dsn: str) -> None:
    """Remove the login again: roles outlive their database."""
    name = f"mq_{_digest(admin_dsn)}"
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(cast("LiteralString", f'drop role if exists "{name}"'))


def _digest(admin_dsn: str) -> str:
    with psycopg.connect(admin_dsn) as connection:
        row = connection.execute("select md5(current_database())").fetchone()
    return str(row[0]) if row else ""


def census(admin_dsn: str) -> dict[str, int]:
    """Count what a question could have changed."""
    with psycopg.connect(admin_dsn) as connection:
        return {str(name): int(rows) for name, rows in connection.execute(_CENSUS)}


@contextmanager
def own_server() -> Iterator[tuple[str, str]]:
    """Yield the DSNs of superuser and tenant of a filled database on a server of our own."""
    root = Path(tempfile.mkdtemp(prefix="meterr-eval-", dir="/tmp"))
    root.chmod(0o711)
    fast = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    try:
        with EmbeddedPostgres(root, server_settings=fast) as server:
            asyncio.run(migrate(server.dsn))
            name = conninfo_to_dict(server.dsn)["dbname"]
            admin_dsn = make_conninfo(server.admin_dsn, dbname=name)
            asyncio.run(harden(admin_dsn, apply=True))
            yield admin_dsn, fill(admin_dsn)
    finally:
        shutil.rmtree(root, ignore_errors=True)
