"""What the database itself forbids, read from its catalogue."""

import psycopg
import pytest
from psycopg import Connection

from meterr.ledger.model import Usage
from support.catalogue import relations_with_tenant_id
from support.rows import TENANT_TABLES

WORKERS = ("meterr_app", "meterr_auth", "meterr_drain", "meterr_identity")
ROLES = ("meterr_owner", *WORKERS, "meterr_reader")
ASKED = (
    "ledger_entry", "usage_hour", "usage_day", "rollup_due", "api_key", "key_use", "limit_rule",
    "limit_pool",
)  # fmt: skip
APPEND_ONLY = (
    "ledger_entry",
    "price_version",
    "price_override",
    "schema_migration",
    "security_event",
)


@pytest.fixture
def catalogue(admin_dsn: str):
    with psycopg.connect(admin_dsn) as connection:
        connection.execute("set role meterr_drain")
        connection.execute("select meterr.ensure_ledger_partitions('2026-11-20', '2026-11-25')")
        connection.execute("select meterr.ensure_event_partitions('2026-11-20', '2026-11-25')")
        connection.execute("reset role")
        yield connection


def grants(connection: Connection) -> set[tuple[str, str, str]]:
    """Every grant on a relation, whole or by column: (relation, grantee, privilege)."""
    rows = connection.execute(
        """select c.relname, coalesce(r.rolname, 'public'), item.privilege_type
             from pg_class c
             cross join lateral (
               select * from aclexplode(c.relacl)
               union all
               select x.* from pg_attribute a, aclexplode(a.attacl) x where a.attrelid = c.oid
             ) item
             left join pg_roles r on r.oid = item.grantee
            where c.relnamespace = 'meterr'::regnamespace and item.grantee <> c.relowner"""
    )
    return set(rows.fetchall())


def test_every_table_with_a_tenant_has_row_security_enabled_and_forced(catalogue) -> None:
    """S2:56, P4: also partitions, where no policy means that no row is visible by name."""
    tables = relations_with_tenant_id(catalogue, kinds="rp")
    rows = catalogue.execute(
        """select relname from pg_class where relnamespace = 'meterr'::regnamespace
              and relrowsecurity and relforcerowsecurity"""
    ).fetchall()

    assert tables >= {*TENANT_TABLES, "ledger_entry_default", "ledger_entry_20261122"}
    assert tables >= {"security_event_default", "security_event_20261122"}
    assert set() == tables - {name for (name,) in rows}


def test_every_table_with_a_tenant_holds_the_app_to_it_reading_and_writing(catalogue) -> None:
    """S2:59, P4: USING and WITH CHECK, both on the transaction's tenant, for all commands."""
    expected = (
        "(tenant_id = (NULLIF(current_setting('meterr.tenant_id'::text, true), ''::text))::uuid)"
    )
    rows = catalogue.execute(
        """select tablename, qual, with_check from pg_policies
            where schemaname = 'meterr' and 'meterr_app' = any(roles) and cmd = 'ALL'"""
    ).fetchall()
    partitions = {
        name for (name,) in catalogue.execute("select relname from pg_class where relispartition")
    }

    assert {(table, expected, expected) for table in TENANT_TABLES} == set(rows)
    assert set(TENANT_TABLES) == relations_with_tenant_id(catalogue, kinds="rp") - partitions


def test_no_other_policy_opens_tenant_rows(catalogue) -> None:
    """The exceptions: the owner behind the view and the lists, and the drain that only appends."""
    rows = catalogue.execute(
        """select tablename, roles::text, cmd from pg_policies
            where schemaname = 'meterr' and not 'meterr_app' = any(roles)"""
    ).fetchall()

    assert {
        ("tenant", "{meterr_owner}", "SELECT"),
        ("api_key", "{meterr_owner}", "SELECT"),
        ("ledger_entry", "{meterr_owner}", "SELECT"),
        ("ledger_entry", "{meterr_drain}", "INSERT"),
        ("limit_rule", "{meterr_owner}", "SELECT"),
        ("limit_pool", "{meterr_owner}", "ALL"),
        ("limit_lease", "{meterr_owner}", "ALL"),
        ("limit_event", "{meterr_owner}", "ALL"),
        ("usage_hour", "{meterr_owner}", "ALL"),
        ("usage_day", "{meterr_owner}", "ALL"),
        ("rollup_due", "{meterr_owner}", "ALL"),
        ("data_key", "{meterr_owner}", "SELECT"),
        ("data_key", "{meterr_identity}", "SELECT"),
        ("data_key", "{meterr_identity}", "UPDATE"),
        ("membership", "{meterr_owner}", "SELECT"),
        ("api_key", "{meterr_owner}", "UPDATE"),
        ("key_emergency", "{meterr_owner}", "INSERT"),
        ("key_emergency", "{meterr_owner}", "SELECT"),
        ("key_succession", "{meterr_owner}", "SELECT"),
        ("key_succession", "{meterr_owner}", "UPDATE"),
        ("key_use", "{meterr_owner}", "ALL"),
        ("key_caller", "{meterr_owner}", "ALL"),
        ("signing_key", "{meterr_owner}", "SELECT"),
        ("security_event", "{meterr_owner}", "INSERT"),
        ("security_event", "{meterr_owner}", "SELECT"),
        ("query_role", "{meterr_owner}", "ALL"),
        *((table, "{meterr_reader}", "SELECT") for table in ASKED),
    } == set(rows)


def test_no_role_of_ours_logs_in_or_bypasses_anything(catalogue) -> None:
    """S2:56, DESIGN 6: no role bypasses row-level security."""
    rows = catalogue.execute(
        """select rolname from pg_roles where rolname like 'meterr\\_%'
              and not (rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb
                       or rolreplication)"""
    ).fetchall()

    assert set(ROLES) == {name for (name,) in rows}


def test_the_login_is_nothing_but_a_member(catalogue) -> None:
    """A session that forgot its role can do nothing."""
    row = catalogue.execute(
        """select rolsuper, rolbypassrls, rolcreaterole, rolinherit,
                  has_schema_privilege('meterr', 'meterr', 'USAGE')
             from pg_roles where rolname = 'meterr'"""
    ).fetchone()

    assert (False, False, False, False, False) == row


def test_the_group_roles_are_not_members_of_each_other(catalogue) -> None:
    """The app cannot become the owner, nor the drain the app."""
    rows = catalogue.execute(
        "select member::regrole::text from pg_auth_members where member::regrole::text ~ '^meterr_'"
    ).fetchall()

    assert [] == rows


def test_only_the_owner_owns_anything(catalogue) -> None:
    """The app role owns nothing: an owner could switch row security off."""
    rows = catalogue.execute(
        """select distinct pg_get_userbyid(relowner) from pg_class
            where relnamespace = 'meterr'::regnamespace
           union select pg_get_userbyid(proowner) from pg_proc
            where pronamespace = 'meterr'::regnamespace
           union select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'meterr'"""
    ).fetchall()

    assert [("meterr_owner",)] == rows


def test_everybody_has_nothing_in_our_schema(catalogue) -> None:
    """No grant to PUBLIC on schema, relation, column or function."""
    rows = catalogue.execute(
        """select 'schema', nspname::text from pg_namespace, aclexplode(nspacl) x
            where nspname = 'meterr' and x.grantee = 0
           union all
           select 'function', p.oid::regprocedure::text
             from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
            where p.pronamespace = 'meterr'::regnamespace and x.grantee = 0"""
    ).fetchall()

    assert [] == rows
    assert set() == {grant for grant in grants(catalogue) if grant[1] == "public"}


def test_no_partition_carries_a_grant(catalogue) -> None:
    """The parent's policy does not apply to a partition that is read by its own name."""
    partitions = {
        name for (name,) in catalogue.execute("select relname from pg_class where relispartition")
    }

    assert len(partitions) > 1
    assert set() == {grant for grant in grants(catalogue) if grant[0] in partitions}


def test_what_is_written_stays_written(catalogue) -> None:
    """S2:41: ledger, prices and overrides are append-only for everybody but the owner."""
    changing = {"UPDATE", "DELETE", "TRUNCATE"}

    assert set() == {g for g in grants(catalogue) if g[0] in APPEND_ONLY and g[2] in changing}


def test_nobody_may_delete_truncate_or_hook_into_anything(catalogue) -> None:
    """Keys are revoked and tenants disabled; rows do not disappear."""
    refused = {"DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"}

    assert set() == {grant for grant in grants(catalogue) if grant[2] in refused}


def test_the_authentication_role_can_read_one_view_and_do_nothing_else(catalogue) -> None:
    """S2:41, DESIGN 6: meterr_auth sees only the key-lookup view."""
    assert {("key_for_authentication", "meterr_auth", "SELECT")} == {
        grant for grant in grants(catalogue) if grant[1] == "meterr_auth"
    }


def test_a_question_is_held_to_who_logged_in_and_to_nothing_that_it_can_set(catalogue) -> None:
    """Issue 5: session_user alone says whose rows exist; no policy of it reads a setting."""
    rows = catalogue.execute(
        "select distinct qual from pg_policies where '{meterr_reader}' = roles::text"
    ).fetchall()
    assert [("(tenant_id = ( SELECT meterr.session_tenant() AS session_tenant))",)] == rows


def test_the_reader_reads_columns_of_parents_and_cannot_name_a_table(catalogue) -> None:
    """Issue 5: what the views show; no partition, no whole table, no use of our schema."""
    ours = {grant for grant in grants(catalogue) if grant[1] == "meterr_reader"}
    whole = catalogue.execute(
        """select c.relname from pg_class c, aclexplode(c.relacl) x
            where c.relnamespace = 'meterr'::regnamespace
              and x.grantee = 'meterr_reader'::regrole"""
    ).fetchall()
    may_use = catalogue.execute("select has_schema_privilege('meterr_reader', 'meterr', 'usage')")

    assert {(table, "meterr_reader", "SELECT") for table in ASKED} == ours
    assert [] == whole
    assert (False,) == may_use.fetchone()


def test_the_views_of_questions_have_the_rights_of_whoever_asks(catalogue) -> None:
    """And a barrier: no condition of the question sees a row before the policy has."""
    rows = catalogue.execute(
        """select relname, relkind::text, reloptions, pg_get_userbyid(relowner) from pg_class
            where relnamespace = 'usage'::regnamespace"""
    ).fetchall()
    names = {"calls", "costs_hourly", "costs_daily", "keys", "limits", "budget_windows"}
    options = ["security_barrier=true", "security_invoker=true"]
    assert sorted((name, "v", options, "meterr_owner") for name in names) == sorted(rows)


def test_every_view_of_questions_and_every_column_of_it_is_described(catalogue) -> None:
    """Issue 5: people and models read what it holds, and in which unit."""
    rows = catalogue.execute(
        """select c.relname, a.attname from pg_class c
             left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
            where c.relnamespace = 'usage'::regnamespace
              and (obj_description(c.oid, 'pg_class') is null
                   or col_description(c.oid, a.attnum) is null)"""
    ).fetchall()
    assert [] == rows


def test_the_drain_can_only_append(catalogue) -> None:
    """It runs for all tenants, so it must not be able to read any."""
    assert {
        ("ledger_entry", "meterr_drain", "INSERT"),
        ("price_version", "meterr_drain", "INSERT"),
    } == {grant for grant in grants(catalogue) if grant[1] == "meterr_drain"}


def test_functions_are_for_our_own_code_and_each_for_one_role(catalogue) -> None:
    """
    P4: what takes any tenant or process as an argument is nobody's who runs SQL of a tenant.

    Only the drain closes a process, and only the app borrows.
    """
    rows = catalogue.execute(
        """select r.rolname, p.proname
             from pg_proc p cross join lateral aclexplode(p.proacl) item
             join pg_roles r on r.oid = item.grantee
            where p.pronamespace = 'meterr'::regnamespace and item.grantee <> p.proowner"""
    ).fetchall()

    assert sorted(
        [
            ("meterr_app", "exchange_lease"),
            ("meterr_app", "end_question_turn"),
            ("meterr_app", "take_question_turn"),
            ("meterr_app", "budget_cost"),
            ("meterr_app", "change_key_terms"),
            ("meterr_app", "count_by_pepper"),
            ("meterr_app", "find_succession"),
            ("meterr_app", "move_keys_to_pepper"),
            ("meterr_app", "record_key_callers"),
            ("meterr_app", "record_key_uses"),
            ("meterr_app", "revoke_every_key"),
            ("meterr_app", "ledger_cost"),
            ("meterr_app", "list_data_keys"),
            ("meterr_app", "list_tenants"),
            ("meterr_app", "list_unknown_tenants"),
            ("meterr_app", "may_be_billed"),
            ("meterr_app", "notify_keepers"),
            ("meterr_app", "notify_person"),
            ("meterr_app", "prune_limits"),
            ("meterr_app", "record_event"),
            ("meterr_app", "renew_leases"),
            ("meterr_app", "role_of_member"),
            ("meterr_app", "sum_entries"),
            ("meterr_app", "sum_lines"),
            ("meterr_drain", "close_process"),
            ("meterr_drain", "drop_event_day"),
            ("meterr_drain", "drop_ledger_day"),
            ("meterr_drain", "ensure_event_partitions"),
            ("meterr_drain", "ensure_ledger_partitions"),
            ("meterr_drain", "next_due_day"),
            ("meterr_drain", "roll_up"),
            ("meterr_drain", "thin_marks"),
            ("meterr_identity", "make_room_for_challenge"),
            ("meterr_identity", "notify_person"),
            ("meterr_identity", "prune_notices"),
            ("meterr_app", "sign_query_token"),
            ("meterr_reader", "session_tenant"),
            ("meterr_identity", "prune_people"),
            ("meterr_identity", "prune_sessions"),
            ("meterr_identity", "record_event"),
        ]
    ) == sorted(rows)


def test_what_reads_the_ledger_of_a_named_tenant_has_no_more_rights_than_its_caller(
    catalogue,
) -> None:
    """P4: it takes the tenant as an argument, and row-level security shows only the caller's."""
    rows = catalogue.execute(
        """select proname, prosecdef from pg_proc
            where pronamespace = 'meterr'::regnamespace
              and proname in ('budget_cost', 'ledger_cost', 'sum_entries', 'sum_lines')
            order by proname"""
    ).fetchall()

    assert [
        ("budget_cost", False),
        ("ledger_cost", False),
        ("sum_entries", False),
        ("sum_lines", False),
    ] == rows


def test_functions_that_run_as_their_owner_pin_their_search_path(catalogue) -> None:
    """Otherwise a caller's temporary table or operator would run with the owner's rights."""
    rows = catalogue.execute(
        """select proname from pg_proc where pronamespace = 'meterr'::regnamespace and prosecdef
              and not coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false)"""
    ).fetchall()

    assert [] == rows


def test_money_is_numeric_and_nothing_is_a_float(catalogue) -> None:
    """P1: never float."""
    rows = catalogue.execute(
        """select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
             from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
            where c.relnamespace = 'meterr'::regnamespace
              and (a.atttypid in ('real'::regtype, 'double precision'::regtype, 'money'::regtype)
                   or (a.attname like '%usd%' and c.relname = 'ledger_entry'))
            order by a.attnum"""
    ).fetchall()

    money = [("ledger_entry", name, "numeric(38,18)") for name in ("cost_usd", "drawn_usd")]
    assert money == rows


def test_the_ledger_has_one_column_per_token_class(catalogue) -> None:
    """Names are those of ledger.model.Usage, so that no mapping can go wrong."""
    from_code = set(Usage.__struct_fields__)
    rows = catalogue.execute(
        """select attname from pg_attribute where attrelid = 'meterr.ledger_entry'::regclass
              and atttypid = 'bigint'::regtype and attnotnull and atthasdef"""
    ).fetchall()

    assert set() == from_code - {name for (name,) in rows}
