"""Embedded PostgreSQL: someone else's binaries under our own supervisor. See supervisor.py."""

from meterr.core.postgres.errors import EmbeddedPostgresError
from meterr.core.postgres.running import running_admin_dsn
from meterr.core.postgres.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "running_admin_dsn"]
