"""Sessions with PostgreSQL."""

from meterr.core.db import Database, Role


async def test_a_session_acts_as_its_role_in_utc(database_url: str) -> None:
    """DESIGN 6: the login only takes on group roles."""
    for role in Role:
        async with Database.open(database_url, role) as database, database.transaction() as conn:
            row = await (
                await conn.execute("select current_user::text, current_setting('TimeZone')")
            ).fetchone()
            assert (role.value, "UTC") == row
