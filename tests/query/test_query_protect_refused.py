"""A tenant's own database: what keeps it from being protected, found before anything is changed."""

import pytest

from meterr.query.protection import Table
from support.shop import (
    ACME,
    RIVAL,
    Shop,
    by_tenant,
    columns_of,
    count,
    names,
    open_book,
    protected,
    state,
)

_PREPARED = """
    create schema meterr_source authorization {owner};
    create table meterr_source.login (role_name name primary key, tenant_value text not null);
    create function meterr_source.tenant() returns text language sql stable security definer
      set search_path = pg_catalog, pg_temp
      return (select l.tenant_value from meterr_source.login l where l.role_name = session_user);
    revoke all on function meterr_source.tenant() from public;
    alter table meterr_source.login owner to {owner};
    alter function meterr_source.tenant() owner to {owner};
"""
_LISTENING = f"""
    create function shop.hears() returns trigger language plpgsql as 'begin return new; end';
    {_PREPARED}
    create trigger hears before insert on meterr_source.login
      for each row execute function shop.hears()
"""
_ANOTHERS = _PREPARED
_RAN = """
    create table shop.ran (who text);
    insert into shop.ran values ('nobody');
    grant all on shop.ran to public;
    create function shop.tells(anyelement) returns boolean language plpgsql
      as $$begin insert into shop.ran values (current_user); return true; end$$;
"""
_CAST = f"""
    {_RAN}
    create type shop.odd_id as enum ('{ACME}', '{RIVAL}');
    create table shop.odd (tenant_id shop.odd_id not null);
    insert into shop.odd values ('{ACME}'), ('{RIVAL}');
    create function shop.as_text(shop.odd_id) returns text language plpgsql
      as $$begin perform shop.tells(1); return 'odd'; end$$;
    create cast (shop.odd_id as text) with function shop.as_text(shop.odd_id);
    revoke all on shop.ran from public;
    grant insert, select on shop.ran to {{owner}};
    alter table shop.odd owner to {{owner}}
"""
_DOMAIN = f"""
    {_RAN}
    create domain shop.odd_id as uuid check (shop.tells(value));
    create table shop.odd (tenant_id shop.odd_id not null);
    insert into shop.odd values ('{ACME}'), ('{RIVAL}');
    delete from shop.ran where who <> 'nobody';
    revoke all on shop.ran from public;
    grant insert, select on shop.ran to {{owner}};
    alter table shop.odd owner to {{owner}}
"""


class TestWhatIsRefused:
    """Found before anything is changed, each with its name; the state stays as it was."""

    @pytest.mark.parametrize(
        ("done_before", "table", "found"),
        [
            ("", "nothing", {("no such table", "shop.nothing")}),
            (
                "create view shop.seen as select * from shop.orders",
                "seen",
                {("not a table", "shop.seen"), ("not the owner", "shop.seen")},
            ),
            ("", "events_2025", {("a partition", "shop.events_2025")}),
            (
                "alter table shop.orders rename tenant_id to shop_id",
                "orders",
                {("no tenant column", "shop.orders")},
            ),
            (
                "grant select (note) on shop.orders to public",
                "orders",
                {("everybody may use", "shop.orders")},
            ),
            ("grant create on schema shop to public", "orders", {("open schema", "shop")}),
            (
                "create policy p on shop.orders using (true)",
                "orders",
                {("sleeping policies", "shop.orders")},
            ),
            (
                "create table shop.more (tenant_id uuid)",
                "more",
                {("not the owner", "shop.more")},
            ),
        ],
    )
    async def test_a_table(
        self, house: str, shop: Shop, done_before: str, table: str, found: set[tuple[str, str]]
    ) -> None:
        """Issue 5, item 3b: what cannot be done is named."""
        with shop.admin() as admin:
            if done_before:
                admin.execute(done_before.encode())
        before = state(shop)
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant(table))
        assert found == names(done)
        assert all(problem.meaning for problem in done.problems)
        assert before == state(shop)

    async def test_a_column_that_is_not_there(self, house: str, shop: Shop) -> None:
        """As the tables are, by name."""
        shape = columns_of(Table("shop", "orders", ("total", "totl")))
        async with open_book(house) as book:
            done = await protected(book, shop, shape)
        assert {("no such column", "shop.orders.totl")} == names(done)

    async def test_the_application_is_not_cut_off_unasked(self, house: str, shop: Shop) -> None:
        """FORCE and ENABLE would hide all rows from whoever has no policy: named, role by role."""
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant("orders"), [shop.app])
        assert {("would lose rows", f"{shop.owner} on shop.orders")} == names(done)

    async def test_policies_of_the_application_are_not_opened(self, house: str, shop: Shop) -> None:
        """A role whose rows are filtered already is not given all of them."""
        with shop.admin() as admin:
            admin.execute("alter table shop.orders enable row level security")
            admin.execute("create policy own on shop.orders using"
                          " (tenant_id::text = current_setting('app.tenant', true))")  # fmt: skip
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant("orders"))
            assert {("has policies", f"{shop.app} on shop.orders")} == names(done)
            kept = await book.protect(ACME, "shop", keep=[shop.owner], apply=True)
            address = await book.address_of(ACME, "shop")
        assert kept.applied
        assert kept.crossing is not None
        tried = [what for what in kept.crossing.tried if "setting" in what]
        assert 2 == len(tried)
        # The setting that opens the application's policy opens nothing to the login.
        with shop.as_(address.user, address.password.get_secret_value()) as session:
            session.execute(f"set app.tenant = '{RIVAL}'".encode())
            assert 600 == count(session)

    @pytest.mark.parametrize("grant", ["grant {0} to {1}", "grant {1} to {0}"])
    async def test_a_group_is_not_a_way_around_policies(
        self, house: str, shop: Shop, grant: str
    ) -> None:
        """What a group is let see, its members are; what holds for a group, holds for members."""
        group = f"group_{shop.app}"
        with shop.admin() as admin:
            admin.execute("alter table shop.orders enable row level security")
            admin.execute(f"create policy own on shop.orders to {shop.app} using (true)".encode())
            admin.execute(f"create role {group}".encode())
            admin.execute(f"grant select on shop.orders to {group}".encode())
            admin.execute(grant.format(group, shop.app).encode())
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant("orders"), [shop.owner, group])
        assert {("has policies", f"{group} on shop.orders")} == names(done)
        with shop.admin() as admin:
            admin.execute(f"drop owned by {group}".encode())
            admin.execute(f"drop role {group}".encode())

    async def test_who_may_make_no_roles_is_told(self, house: str, shop: Shop) -> None:
        """By name; nothing is half done."""
        with shop.admin() as admin:
            admin.execute(f"alter role {shop.owner} nocreaterole".encode())
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant("orders"))
        assert {("cannot make roles", shop.owner)} == names(done)

    async def test_a_role_that_is_not_there_is_told(self, house: str, shop: Shop) -> None:
        """A slip in --keep-role would hide rows from the one that was meant."""
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant("orders"), [shop.owner, shop.app, "shopp"])
        assert {("no such role", "shopp")} == names(done)

    @pytest.mark.parametrize(
        ("hole", "found"),
        [
            ("grant select on shop.secrets to public", ("reads", "shop.secrets")),
            ("grant insert on shop.secrets to public", ("writes", "shop.secrets")),
            (
                "create view shop.seen as table shop.orders; grant select on shop.seen to public",
                ("reads", "shop.seen"),
            ),
            (
                "create function shop.sums() returns int language sql security definer return 1",
                ("calls", "shop.sums()"),
            ),
            ("create sequence shop.numbers; grant usage on sequence shop.numbers to public",
             ("writes", "shop.numbers")),
            ("create schema open; grant usage, create on schema open to public",
             ("creates in", "open")),
        ],
    )  # fmt: skip
    async def test_what_everybody_may_do_is_a_hole(
        self, house: str, shop: Shop, hole: str, found: tuple[str, str]
    ) -> None:
        """Rights are read back before anything stands: what public has, the login has, too."""
        with shop.admin() as admin:
            admin.execute(hole.encode())
        before = state(shop)
        async with open_book(house) as book:
            done = await protected(book, shop)
        assert ({found}, False) == (names(done), done.applied)
        assert before == state(shop)

    async def test_a_schema_made_by_somebody_else_is_not_trusted(
        self, house: str, shop: Shop
    ) -> None:
        """A function that says who asks is ours, or there is none."""
        with shop.as_(shop.owner) as owner:
            owner.execute("create schema meterr_source")
            owner.execute("create function meterr_source.tenant() returns text language sql stable"
                          " return current_setting('app.tenant', true)")  # fmt: skip
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant("orders"))
        assert {("somebody else's schema", "meterr_source")} == names(done)

    @pytest.mark.parametrize("prepared", [_LISTENING, _ANOTHERS], ids=["trigger", "owner"])
    async def test_a_schema_that_somebody_prepared_is_not_trusted(
        self, house: str, shop: Shop, prepared: str
    ) -> None:
        """Whose login is whose is written there by an administrator, and only theirs to change."""
        owner = shop.owner if prepared is _LISTENING else shop.app
        with shop.admin() as admin:
            admin.execute(prepared.replace("{owner}", owner).encode())
        before = state(shop)
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant("orders"), url=shop.superuser())
        assert {("somebody else's schema", "meterr_source")} == names(done)
        assert before == state(shop)

    @pytest.mark.parametrize("made", [_CAST, _DOMAIN], ids=["cast", "domain"])
    async def test_no_code_of_the_applications_runs_as_the_administrator(
        self, house: str, shop: Shop, made: str
    ) -> None:
        """A type's cast and a domain's check are functions of whoever made them."""
        with shop.admin() as admin:
            admin.execute(made.replace("{owner}", shop.owner).encode())
        async with open_book(house) as book:
            done = await protected(book, shop, by_tenant("odd"), url=shop.superuser())
        with shop.admin() as admin:
            ran = admin.execute("select distinct who from shop.ran where who <> 'nobody'")
            assert ("postgres",) not in ran.fetchall()
        assert ((), True) == (done.problems, done.applied)
