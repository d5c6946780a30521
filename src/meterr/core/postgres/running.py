"""The superuser's way into an embedded server that another process of ours runs."""

from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.postgres import cluster, socket_dir
from meterr.core.postgres.layout import Layout, read_secret
from meterr.core.postgres.prepare import DATABASE, reported_data_directory

_LOGIN_TIMEOUT_S = 5


def running_admin_dsn(root: Path, login_dsn: str) -> str | None:
    """
    Return how the superuser reaches the database ``meterr`` of the server below ``root``.

    ``login_dsn`` is the address that the running ``meterr up`` left; it may be of one that died.
    None when no server of this very data directory answers there.
    """
    layout = Layout(root.absolute())
    try:
        dsn = make_conninfo(
            "",
            host=str(conninfo_to_dict(login_dsn).get("host") or ""),
            port=str(socket_dir.PORT),
            user=cluster.SUPERUSER,
            password=read_secret(layout.secrets / cluster.SUPERUSER),
            dbname=DATABASE,
        )
        answered = Path(reported_data_directory(dsn, _LOGIN_TIMEOUT_S))
        return dsn if answered.exists() and answered.samefile(layout.data) else None
    except (psycopg.Error, OSError):
        return None
