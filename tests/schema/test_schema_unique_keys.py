"""What a collision may tell: whether a row of somebody else exists."""

import psycopg

from support.catalogue import relations_with_tenant_id

# Over all tenants: nobody can choose or guess a MAC or a login's name, and names of tenants are the
# platform's.
_OVER_ALL = {
    ("api_key", "mac"),
    ("key_succession", "code_mac"),
    ("query_role", "role_name"),
    ("tenant", "name"),
}


def test_no_key_that_a_tenant_can_choose_is_unique_over_all_tenants(admin_dsn: str) -> None:
    """S2:59: a collision tells of a foreign row that no policy shows; so tenant_id leads."""
    with psycopg.connect(admin_dsn) as connection:
        tables = relations_with_tenant_id(connection, kinds="rp")
        rows = connection.execute(
            """select c.relname, a.attname
                 from pg_index i
                 join pg_class c on c.oid = i.indrelid
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
                where i.indisunique and c.relnamespace = 'meterr'::regnamespace"""
        ).fetchall()

    leading = {(table, column) for table, column in rows if table in tables}
    assert {"api_key", "ledger_entry", "membership"} <= {table for table, _ in leading}
    assert _OVER_ALL == {(table, column) for table, column in leading if column != "tenant_id"}
