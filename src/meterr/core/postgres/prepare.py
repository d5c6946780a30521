"""What a new cluster needs before meterr can log in: a login, a database, the group roles."""

from psycopg import ClientCursor, Connection, connect
from psycopg.conninfo import make_conninfo

from meterr.core.migrate import roles_sql
from meterr.core.sql import load_sql

LOGIN = "meterr"
DATABASE = "meterr"
_SQL = load_sql("meterr.core.postgres")


def prepare(admin_dsn: str, login_password: str) -> None:
    """Bring the cluster to the state meterr expects. Repeats safely what a kill cut off."""
    with connect(admin_dsn, autocommit=True) as connection:
        if not _holds(connection, "has_login"):
            connection.execute(_SQL["create_login"])
        verifier = connection.pgconn.encrypt_password(
            login_password.encode(), LOGIN.encode(), b"scram-sha-256"
        )
        # Utility statements take no parameters; this cursor binds them on our side.
        ClientCursor(connection).execute(
            _SQL["set_login_password"], {"verifier": verifier.decode()}
        )
        if not _holds(connection, "has_database"):
            connection.execute(_SQL["create_database"])
    with connect(make_conninfo(admin_dsn, dbname=DATABASE), autocommit=True) as connection:
        connection.execute(_SQL["roles_are_for_the_login"])
        connection.execute(roles_sql())


def reported_data_directory(admin_dsn: str, timeout_s: int) -> str:
    """Log in and return where the server that answered keeps its data. Raises psycopg.Error."""
    with connect(admin_dsn, autocommit=True, connect_timeout=timeout_s) as connection:
        row = connection.execute(_SQL["data_directory"]).fetchone()
        return str(row[0]) if row else ""


def _holds(connection: Connection[tuple[object, ...]], name: str) -> bool:
    row = connection.execute(_SQL[name]).fetchone()
    return row is not None and row[0] is True
