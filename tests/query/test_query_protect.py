"""A tenant's own database: what protecting does, reads back and takes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from pydantic import SecretStr

from meterr.core.db import Connection
from meterr.core.errors import Invalid, OperatorError
from meterr.query.protection import (
    Address,
    Credentials,
    Shape,
    SourceUnavailable,
    Table,
    opened,
    protect,
)
from meterr.query.walls import QueryNotSetUp
from support.shop import (
    ACME,
    RIVAL,
    TABLES,
    Shop,
    by_tenant,
    columns_of,
    count,
    guard,
    names,
    open_book,
    protected,
    state,
)


class TestByATenantColumn:
    async def test_a_login_is_made_that_sees_its_rows_alone(self, house: str, shop: Shop) -> None:
        """Issue 5, item 3b: by the owner of the tables, who may make roles and is no superuser."""
        async with open_book(house) as book:
            done = await protected(book, shop)
            address = await book.address_of(ACME, "shop")
        assert (done.problems, done.with_others, done.applied) == ((), 5, True)
        assert done.crossing is not None
        assert done.crossing.crossed == ()
        assert len(done.crossing.tried) > 40
        with shop.as_(address.user, address.password.get_secret_value()) as session:
            assert [80, 40, 600, 1200, 400] == [count(session, table) for table in TABLES]

    async def test_the_application_sees_what_it_saw(self, house: str, shop: Shop) -> None:
        """FORCE holds for the owner, too; so whoever is kept gets a policy of its own."""
        with shop.as_(shop.app) as application, shop.as_(shop.owner) as owner:
            before = [count(each, table) for each in (application, owner) for table in TABLES]
        async with open_book(house) as book:
            await protected(book, shop)
        with shop.as_(shop.app) as application, shop.as_(shop.owner) as owner:
            after = [count(each, table) for each in (application, owner) for table in TABLES]
            application.execute("update shop.orders set note = 'seen' where order_id = 1")
            application.execute(
                "insert into shop.events select tenant_id, at, what from shop.events"
            )
        assert before == after

    async def test_every_table_is_held_and_forced(self, house: str, shop: Shop) -> None:
        """No policy of ours reads a setting; a restrictive one holds whatever others allow."""
        async with open_book(house) as book:
            await protected(book, shop)
        with shop.admin() as admin:
            rows = admin.execute(
                """select c.relname, relrowsecurity and relforcerowsecurity,
                          array(select polname::text || polpermissive from pg_policy
                                 where polrelid = c.oid order by 1)
                     from pg_class c where relnamespace = 'shop'::regnamespace
                      and relkind in ('r', 'p') and relname = any (%s)""",
                [list(TABLES)],
            ).fetchall()
        policies = ["meterr_holdsfalse", "meterr_keepstrue", "meterr_readstrue"]
        assert sorted((name, True, policies) for name in TABLES) == sorted(rows)

    async def test_the_login_is_a_reader_and_nothing_else(self, house: str, shop: Shop) -> None:
        """Opaque names, no attribute, one membership, nobody who may take it on; bounded."""
        async with open_book(house) as book:
            await protected(book, shop)
            user = (await book.address_of(ACME, "shop")).user
        with shop.admin() as admin:
            row = admin.execute(
                """select rolname ~ '^ms_[0-9a-f]{32}$', rolconnlimit,
                          rolsuper or rolbypassrls or rolcreaterole or rolcreatedb,
                          array(select m.roleid::regrole::text ~ '^mr_[0-9a-f]{32}$'
                                  from pg_auth_members m where m.member = r.oid),
                          array(select m.member from pg_auth_members m where m.roleid = r.oid
                                   and pg_has_role(m.member, r.oid, 'usage') and not
                                   (select rolsuper from pg_roles s where s.oid = m.member)),
                          rolconfig
                     from pg_roles r where rolname = %s""",
                [user],
            ).fetchone()
        assert row is not None
        assert (True, 4, False, [True], []) == row[:5]
        named = {str(each).partition("=")[0] for each in row[5]}
        assert named >= {"default_transaction_read_only", "statement_timeout", "lock_timeout"}
        assert named >= {"work_mem", "search_path", "max_parallel_workers_per_gather"}

    async def test_only_the_chosen_columns_are_granted(self, house: str, shop: Shop) -> None:
        """And the tenant column, by which crossing is tried."""
        shape = columns_of(Table("shop", "customers", ("customer_id", "country")))
        async with open_book(house) as book:
            await protected(book, shop, shape)
            address = await book.address_of(ACME, "shop")
        with shop.as_(address.user, address.password.get_secret_value()) as session:
            session.execute("select tenant_id, customer_id, country from shop.customers")
            for hidden in ("name", "*"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(f"select {hidden} from shop.customers".encode())

    async def test_two_tenants_share_a_database_and_no_row(self, house: str, shop: Shop) -> None:
        """One reader for both, and a login each."""
        async with open_book(house) as book:
            await protected(book, shop)
            await book.add(
                RIVAL, "shop", shop.url(), by_tenant("orders", value=RIVAL), created_by="a test"
            )
            second = await book.protect(RIVAL, "shop", apply=True)
            rival = await book.address_of(RIVAL, "shop")
            acme = await book.address_of(ACME, "shop")
        assert second.applied
        assert not any("alter table" in each or "policy" in each for each in second.statements)
        totals = []
        for address in (acme, rival):
            with shop.as_(address.user, address.password.get_secret_value()) as session:
                totals += session.execute("select max(total) < 1000 from shop.orders").fetchall()
        assert [(True,), (False,)] == totals

    async def test_a_value_of_the_wrong_type_is_told(self, house: str, shop: Shop) -> None:
        """The column's own type reads it."""
        async with open_book(house) as book:
            with pytest.raises(Invalid, match="tenant column is of type uuid"):
                await protected(book, shop, by_tenant(value="acme"))


class TestThatTheWholeDatabaseIsOneTenants:
    async def test_the_login_reads_the_chosen_tables_and_nothing_is_forced(
        self, house: str, shop: Shop
    ) -> None:
        """No row security where there is nobody to keep apart."""
        async with open_book(house) as book:
            done = await protected(book, shop, Shape((Table("shop", "orders"),)), [])
            address = await book.address_of(ACME, "shop")
        assert done.applied
        with shop.as_(address.user, address.password.get_secret_value()) as session:
            assert count(session) == 1200
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                count(session, "customers")
        with shop.admin() as admin:
            assert [] == admin.execute("select polname from pg_policy").fetchall()

    async def test_a_table_with_row_security_belongs_to_several(
        self, house: str, shop: Shop
    ) -> None:
        """Somebody took the trouble; whoever says otherwise has to name the column."""
        with shop.admin() as admin:
            admin.execute("alter table shop.orders enable row level security")
        async with open_book(house) as book:
            done = await protected(book, shop, Shape((Table("shop", "orders"),)), [])
        assert {("own row security", "shop.orders")} == names(done)


class TestBeforeAndAfter:
    async def test_showing_changes_nothing(self, house: str, shop: Shop) -> None:
        """The statements as they would run, without a password."""
        before = state(shop)
        async with open_book(house) as book:
            await book.add(ACME, "shop", shop.url(), by_tenant(), created_by="a test")
            shown = await book.protect(ACME, "shop", keep=[shop.owner, shop.app], apply=False)
            (source,) = await book.list(ACME)
        assert (before, None) == (state(shop), source.protected_at_ms)
        assert len(shown.statements) > 30
        assert "SCRAM" not in "".join(shown.statements)
        assert any("force row level security" in each for each in shown.statements)

    async def test_again_it_changes_only_the_password(self, house: str, shop: Shop) -> None:
        """Idempotent; and the administrator, who was forgotten, has to be named again."""
        async with open_book(house) as book:
            await protected(book, shop)
            first, before = await book.address_of(ACME, "shop"), state(shop)
            with pytest.raises(Invalid, match="forgot it"):
                await book.protect(ACME, "shop", apply=True)
            again = await book.protect(ACME, "shop", url=shop.url(), apply=True)
            second = await book.address_of(ACME, "shop")
        assert before == state(shop)
        assert [each.partition('"')[0].split(" ")[:2] for each in again.statements] == [
            ["alter", "role"], ["insert", "into"],
        ]  # fmt: skip
        assert (first.user, True) == (second.user, first.password != second.password)

    async def test_what_lets_anything_through_is_taken_back(self, house: str, shop: Shop) -> None:
        """The walls are tried before they stand: here everybody may read all statistics."""
        before = state(shop)
        with shop.admin() as admin:
            admin.execute("grant select on pg_catalog.pg_statistic to public")
        async with open_book(house) as book:
            done = await protected(book, shop)
            (source,) = await book.list(ACME)
        assert done.crossing is not None
        assert (("statistics",), False) == (done.crossing.crossed, done.applied)
        assert (before, None) == (state(shop), source.protected_at_ms)

    async def test_a_login_that_the_server_does_not_let_in_is_taken_back(
        self, house: str, shop: Shop
    ) -> None:
        """Nobody can say that it holds, so it does not stand."""
        before = state(shop)
        with shop.admin() as admin:
            admin.execute("create function public.forbid() returns event_trigger language plpgsql"
                          " as $$ begin raise 'not today'; end $$")  # fmt: skip
            admin.execute("create event trigger forbid on login execute function public.forbid()")
            admin.execute("set event_triggers = off")
            async with open_book(house) as book:
                with pytest.raises(SourceUnavailable):
                    await protected(book, shop)
            admin.execute("drop event trigger forbid")
            admin.execute("drop function public.forbid()")
        assert before == state(shop)

    async def test_the_login_is_shut_out_even_if_the_rest_cannot_be_taken_back(
        self, shop: Shop
    ) -> None:
        """Tables that somebody locks between the two: what stands then is of no use to anybody."""
        owner = Address.parse(shop.url().get_secret_value())
        made = Credentials(f"ms_{'1' * 32}", SecretStr("a password"), f"mr_{'1' * 32}")
        login = Address.parse(shop.url(made.user, "a password").get_secret_value())

        @asynccontextmanager
        async def opened_late() -> AsyncIterator[Connection]:
            holder.execute("begin")
            holder.execute("lock table shop.orders")
            async with opened(login, guard(), autocommit=True) as session:
                yield session

        with shop.admin() as admin, shop.admin() as holder:
            admin.execute("grant select on pg_catalog.pg_statistic to public")
            async with opened(owner, guard()) as connection:
                keep = [shop.owner, shop.app]
                with pytest.raises(OperatorError, match="shut out, the rest could not be taken"):
                    await protect(connection, by_tenant(), made, keep, opened_late)
            holder.execute("rollback")
            assert [(False,)] == admin.execute(
                "select rolcanlogin from pg_roles where rolname = %s", [made.user]
            ).fetchall()
            admin.execute("drop schema meterr_source cascade")
            admin.execute(f"drop owned by {made.user}, {made.reader}".encode())
            admin.execute(f"drop role {made.user}, {made.reader}".encode())

    async def test_a_statement_that_the_server_refuses_leaves_nothing(
        self, house: str, shop: Shop
    ) -> None:
        """A lock that somebody holds: the application waits no longer for us than five seconds."""
        before = state(shop)
        with shop.admin() as admin:
            admin.execute("begin")
            admin.execute("lock table shop.orders in access share mode")
            async with open_book(house) as book:
                with pytest.raises(OperatorError, match=r"nothing was changed: .*lock timeout"):
                    await protected(book, shop)
            admin.execute("rollback")
        assert before == state(shop)

    async def test_what_opens_later_is_found_and_stops_the_asking(
        self, house: str, shop: Shop
    ) -> None:
        """A check reads the rights back and tries to cross, as the login itself."""
        async with open_book(house) as book:
            await protected(book, shop)
            whole = await book.check(ACME, "shop")
            with shop.admin() as admin:
                admin.execute("grant select on shop.secrets to public")
                admin.execute("drop policy meterr_holds on shop.orders")
            found = await book.check(ACME, "shop")
            (source,) = await book.list(ACME)
            with pytest.raises(QueryNotSetUp, match="do not hold"):
                await book.login_of(ACME, source)
            mended = await book.protect(ACME, "shop", url=shop.url(), apply=True)
            with shop.admin() as admin:
                admin.execute("revoke select on shop.secrets from public")
            again = await book.protect(ACME, "shop", url=shop.url(), apply=True)
            with shop.admin() as admin:
                admin.execute("grant select on shop.secrets to public")
                assert 1 == len((await book.check(ACME, "shop")).problems)
                admin.execute("revoke select on shop.secrets from public")
            await book.check(ACME, "shop")
            (at_last,) = await book.list(ACME)
        assert 0 == at_last.holes
        assert ((), ()) == (whole.problems, whole.crossing and whole.crossing.crossed)
        assert names(found) == {
            ("reads", "shop.secrets"),
            ("reads", "shop.orders"),
            ("is not held to its rows", "shop.orders"),
        }
        assert 3 == source.holes
        assert ({("reads", "shop.secrets")}, False) == (names(mended), mended.applied)
        assert again.applied
