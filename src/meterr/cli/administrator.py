"""The login that sees every row, for the commands that need it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from meterr.app.deployment import database_url_file
from meterr.cli.context import checked_dsn
from meterr.cli.output import note
from meterr.core.postgres import EmbeddedPostgres, running_admin_dsn
from meterr.core.settings import Settings


@contextlib.contextmanager
def administrator(settings: Settings, *, running_ok: bool) -> Iterator[str]:
    """Yield a login that sees every row: the configured one, or the embedded server's own."""
    if settings.database_admin_url is not None:
        yield checked_dsn(settings.database_admin_url, settings.database_tls, "database_admin_url")
        return
    if settings.database_url is not None:
        yield checked_dsn(settings.database_url, settings.database_tls)
        return
    running = _running(settings.data_dir) if running_ok else None
    if running is not None:
        yield running
        return
    note("Starting PostgreSQL ...")
    with EmbeddedPostgres(settings.data_dir, settings.postgres_bin, say=note) as embedded:
        yield embedded.database_admin_dsn


def _running(data_dir: Path) -> str | None:
    left = database_url_file(data_dir)
    return running_admin_dsn(data_dir, left.read_text("utf-8")) if left.exists() else None
