"""A tenant's own database as a source: kept sealed, found by name, asked like any other."""

from collections.abc import AsyncIterator
from datetime import date

import psycopg
import pytest
from language_samples import ScriptedModel

from meterr.app.sealed_columns import open_sealed_columns
from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, rotate_data_keys
from meterr.core.db import Database, Role
from meterr.core.errors import Invalid, Unavailable
from meterr.core.http.outbound import AllowList, Guard
from meterr.query.language import Answered, Asking, Question
from meterr.query.language.visible import visible
from meterr.query.language.words import Kind
from meterr.query.protection import Shape, SourceRefused, SourceUnavailable, Table
from meterr.query.run import Limits, QueryRefused, QueryTooCostly
from meterr.query.sources import SourceBook, Sources, UnknownSource
from meterr.query.walls import QueryNotSetUp
from support.shop import (
    ACME,
    KEYS,
    RIVAL,
    Shop,
    by_tenant,
    open_book,
    open_sources,
)

CUSTOMERS = Table("shop", "customers", ("tenant_id", "customer_id", "country"))


@pytest.fixture
async def book(house: str) -> AsyncIterator[SourceBook]:
    """meterr's own database, with both tenants."""
    async with open_book(house) as opened:
        yield opened


@pytest.fixture
async def sources(database_url: str, book: SourceBook, shop: Shop) -> AsyncIterator[Sources]:
    """The shop as a source of ACME's, protected."""
    orders, customers = Table("shop", "orders"), CUSTOMERS
    shape = Shape((orders, customers, Table("shop", "events")), "tenant_id", ACME)
    await book.add(ACME, "shop", shop.url(), shape, created_by="a test")
    done = await book.protect(ACME, "shop", keep=[shop.owner, shop.app], apply=True)
    assert done.applied
    async with open_sources(database_url) as opened:
        yield opened


class TestAsking:
    async def test_an_answer_has_the_tenants_rows(self, sources: Sources) -> None:
        """Bare names are found as in the shop's own SQL; decimals are text."""
        opened = await sources.open(ACME, "shop")
        answer = await opened.runner.run(
            ACME, "select country, sum(total) from orders join customers using (customer_id)"
            " group by 1 order by 1",
        )  # fmt: skip
        assert ["DE", "FR", "JP", "US"] == [row[0] for row in answer.rows]
        assert ["shop.customers", "shop.orders"] == list(answer.relations)
        assert all(isinstance(row[1], str) for row in answer.rows)

    async def test_the_guard_knows_the_chosen_columns_only(self, sources: Sources) -> None:
        """What is not granted is hidden: a refusal of ours, not an error of the server's."""
        opened = await sources.open(ACME, "shop")
        for text in ("select name from customers", "select * from secrets",
                     "select * from shop.events_2025", "select * from meterr_source.login",
                     "select meterr_source.tenant()"):  # fmt: skip
            with pytest.raises(QueryRefused):
                await opened.runner.run(ACME, text)

    async def test_the_words_are_the_owners_comments_and_no_value(self, sources: Sources) -> None:
        """Issue 5, item 5: a model hears names, kinds and comments; no value leaves."""
        opened = await sources.open(ACME, "shop")
        heard = visible(opened.words, opened.catalogue)
        orders, customers = heard.relation("orders"), heard.relation("customers")
        assert orders is not None
        assert customers is not None
        total = orders.column("total")
        assert total is not None
        assert ("One row per order.", "What the customer pays, in euros.", Kind.NUMBER) == (
            orders.comment, total.comment, total.kind,
        )  # fmt: skip
        assert {"tenant_id", "customer_id", "country"} == {c.name for c in customers.columns}
        assert not any(c.values for relation in heard.relations for c in relation.columns)
        assert "number of orders" in {metric.name for metric in heard.metrics}
        assert [("events", "at"), ("orders", "")] == sorted(
            (relation.name, relation.time) for relation in heard.relations[1:]
        )

    @pytest.mark.parametrize(
        ("said", "rows"),
        [
            ('{"intent": {"metric": "number of orders"}}', ((600,),)),
            ('{"intent": {"metric": "number of events", "range": {"period": "last year"}}}',
             ((213,),)),
            ('{"sql": "select max(total) < 1000 from shop.orders"}', ((True,),)),
        ],
    )  # fmt: skip
    async def test_a_question_in_plain_language_is_answered(
        self, sources: Sources, said: str, rows: tuple[tuple[object, ...], ...]
    ) -> None:
        """Both tiers, with the tenant's rows alone; and no row was in what the model heard."""
        opened = await sources.open(ACME, "shop")
        model = ScriptedModel(said)
        words = visible(opened.words, opened.catalogue)
        asked = Question(ACME, "How many?", words, opened.catalogue, date(2026, 11, 23))
        outcome = await Asking(model, opened.runner).ask(asked)
        assert isinstance(outcome, Answered)
        assert rows == outcome.result.rows
        heard = str(model.asked)
        assert "What the customer pays, in euros." in heard
        assert not any(word in heard for word in ("rival", "Customer 1", "please ring", ACME))

    async def test_an_address_that_came_meanwhile_is_not_asked(
        self, sources: Sources, book: SourceBook, shop: Shop
    ) -> None:
        """Removed and named again between two looks: that address is an administrator's."""
        before = await book.find(ACME, "shop")
        await book.remove(ACME, "shop")
        await book.add(ACME, "shop", shop.url(), before.shape, created_by="a test")
        with pytest.raises(Unavailable, match="changed just now"):
            await book.login_of(ACME, before)

    async def test_a_source_is_its_tenants_alone(self, sources: Sources) -> None:
        """Another tenant has no such source, and is told which it has."""
        with pytest.raises(UnknownSource, match="there are: usage"):
            await sources.open(RIVAL, "shop")
        with pytest.raises(UnknownSource, match="there are: usage, shop"):
            await sources.open(ACME, "ship")
        assert "usage" == (await sources.open(RIVAL, "usage")).name

    async def test_a_disabled_tenant_asks_nothing(self, sources: Sources, admin_dsn: str) -> None:
        """From the moment that it is."""
        with psycopg.connect(admin_dsn) as admin:
            admin.execute(
                "update meterr.tenant set state = 'disabled' where tenant_id = %s", [ACME]
            )
        with pytest.raises(UnknownSource):
            await sources.open(ACME, "shop")

    async def test_the_limits_hold(self, sources: Sources, database_url: str) -> None:
        """The same gate on cost, rows and bytes as over the usage views."""
        async with open_sources(database_url, Limits(rows_max=10, cost_max=100_000)) as limited:
            opened = await limited.open(ACME, "shop")
            answer = await opened.runner.run(ACME, "select order_id from orders")
            assert (10, True) == (len(answer.rows), answer.truncated)
            with pytest.raises(QueryTooCostly):
                await opened.runner.run(
                    ACME, "select count(*) from generate_series(1, 1000000) a, orders b, orders c"
                )

    async def test_a_new_column_is_hidden_until_somebody_protects_it(
        self, sources: Sources, shop: Shop
    ) -> None:
        """The application goes on changing its tables; nothing is shown that nobody chose."""
        with shop.admin() as admin:
            admin.execute("alter table shop.orders add column card_number text default 'x'")
        opened = await sources.open(ACME, "shop")
        with pytest.raises(QueryRefused):
            await opened.runner.run(ACME, "select card_number from orders")
        answer = await opened.runner.run(ACME, "select order_id from orders limit 1")
        assert 1 == len(answer.rows)

    @pytest.mark.parametrize(
        "change",
        [
            "alter table shop.orders disable row level security",
            "drop policy meterr_holds on shop.orders",
            "alter policy meterr_holds on shop.orders to postgres",
        ],
    )
    async def test_walls_that_were_taken_down_are_noticed_with_the_next_question(
        self, sources: Sources, shop: Shop, change: str
    ) -> None:
        """Somebody else owns these tables; nobody has to wait for a check."""
        await sources.open(ACME, "shop")
        with shop.admin() as admin:
            admin.execute(change.encode())
        with pytest.raises(QueryNotSetUp, match="do not hold"):
            await sources.open(ACME, "shop")


class TestKeeping:
    async def test_the_address_is_sealed_and_the_administrator_forgotten(
        self, sources: Sources, shop: Shop, admin_dsn: str, book: SourceBook
    ) -> None:
        """P6: no password in a table; after protecting only the login's own is kept at all."""
        kept = await book.address_of(ACME, "shop")
        with psycopg.connect(admin_dsn) as admin:
            text = str(admin.execute("select q::text from meterr.query_source q").fetchone())
        said = f"{text} {kept!r}"
        assert shop.owner not in said
        assert kept.password.get_secret_value() not in said
        assert kept.user.startswith("ms_")

    async def test_before_it_is_protected_nobody_asks(
        self, book: SourceBook, shop: Shop, database_url: str
    ) -> None:
        """An administrator's login is never used for a question."""
        await book.add(ACME, "shop", shop.url(), by_tenant(), created_by="a test")
        async with open_sources(database_url) as opened:
            with pytest.raises(QueryNotSetUp, match="source protect"):
                await opened.open(ACME, "shop")

    async def test_what_was_removed_is_gone(self, sources: Sources, book: SourceBook) -> None:
        """The login is named, to be dropped in its own database."""
        login = await book.remove(ACME, "shop")
        assert login is not None
        assert login.startswith("ms_")
        with pytest.raises(UnknownSource):
            await sources.open(ACME, "shop")
        assert [] == await book.list(ACME)

    async def test_another_database_cannot_slip_in(
        self, sources: Sources, book: SourceBook, shop: Shop
    ) -> None:
        """The administrator's address has to be that of the source."""
        other = shop.url().get_secret_value() + "x"
        with pytest.raises(SourceRefused, match="another database"):
            await book.protect(ACME, "shop", url=type(shop.url())(other), apply=True)

    async def test_a_rotation_of_keys_visits_it(
        self, book: SourceBook, shop: Shop, house: str
    ) -> None:
        """Or the address would be lost with the key that it is under."""
        await book.add(ACME, "shop", shop.url(), by_tenant(), created_by="a test")
        vault_keys = DataKeys(KEYS, SystemClock())
        async with Database.open(house, Role.APP) as db, open_sealed_columns(house) as columns:
            done = await rotate_data_keys(db, vault_keys, columns, lambda _: None)
        assert (1, (), 0) == (done.values, done.unreadable, done.unfinished)
        assert shop.owner == (await book.address_of(ACME, "shop")).user


class TestConnecting:
    async def test_an_address_inside_needs_the_operators_word(
        self, book: SourceBook, shop: Shop, database_url: str
    ) -> None:
        """The same rule as for every connection out: private only if it is on the list."""
        async with open_book(database_url, Guard(AllowList())) as strict:
            with pytest.raises(SourceRefused, match=r"outbound\.allow") as refused:
                await strict.add(ACME, "shop", shop.url(), by_tenant(), created_by="a test")
        assert "127.0.0.1" not in refused.value.detail

    async def test_a_wrong_password_is_told_without_the_address(
        self, book: SourceBook, shop: Shop
    ) -> None:
        """In our own words; libpq's repeat host and login."""
        with pytest.raises(SourceUnavailable, match="does not take the login") as refused:
            await book.add(ACME, "s", shop.url(shop.app, "no"), by_tenant(), created_by="a test")
        said = f"{refused.value} {refused.value.private} {refused.value.__cause__}"
        assert shop.app not in said
        assert str(shop.port) not in said

    async def test_an_address_is_no_name_of_a_source(self, book: SourceBook, shop: Shop) -> None:
        """And usage is meterr's own."""
        for name in ("usage", "Shop", "a b", ""):
            with pytest.raises(Invalid):
                await book.add(ACME, name, shop.url(), by_tenant(), created_by="a test")


async def test_what_is_done_with_a_source_is_on_record(
    sources: Sources, book: SourceBook, shop: Shop, admin_dsn: str
) -> None:
    """Issue 5: added, protected, found open, removed; with its name and never its address."""
    with shop.admin() as admin:
        admin.execute("grant select on shop.secrets to public")
    await book.check(ACME, "shop")
    await book.remove(ACME, "shop")
    with psycopg.connect(admin_dsn) as admin:
        rows = admin.execute(
            "select kind, target_id, detail::text from meterr.security_event"
            " where kind like 'source.%' order by at, id"
        ).fetchall()
    assert [
        ("source.added", "shop", "{}"),
        ("source.protected", "shop", "{}"),
        ("source.failed", "shop", '{"holes": 1}'),
        ("source.removed", "shop", "{}"),
    ] == rows


async def test_a_name_in_use_stays_what_it_is(
    sources: Sources, book: SourceBook, shop: Shop
) -> None:
    """Nothing is replaced by a slip; what was removed can be added again."""
    with pytest.raises(Invalid, match="remove it first"):
        await book.add(ACME, "shop", shop.url(), by_tenant(), created_by="a test")
    await book.remove(ACME, "shop")
    again = await book.add(ACME, "shop", shop.url(), by_tenant("orders"), created_by="a test")
    assert again.protected_at_ms is None


class TestTheOwnersWords:
    """Issue 5.5: units, synonyms, joins, metrics; and a table opts in to values that models see."""

    TEXT = """
notes = ["Money is in euros."]
[[relations]]
schema = "shop"
name = "orders"
time = "ordered_at"
columns = [
  { name = "order_id", kind = "integer" },
  { name = "customer_id", kind = "integer" },
  { name = "ordered_at", kind = "time" },
  { name = "status", kind = "number", values = ["paid", "canceled by us"] },
  { name = "total", kind = "number", unit = "euros", synonyms = ["amount"] },
]
[[relations]]
schema = "shop"
name = "customers"
columns = [{ name = "customer_id", kind = "integer" }, { name = "name", kind = "text" },
           { name = "country", kind = "text", synonyms = ["land"] }]
[[joins]]
many = "orders"
one = "customers"
on = [["customer_id", "customer_id"]]
[[metrics]]
name = "revenue"
unit = "euros"
readings = [{ relation = "orders", expression = "sum(orders.total)" }]
[[metrics]]
name = "names"
readings = [{ relation = "customers", expression = "max(customers.name)" }]
"""

    async def test_a_model_hears_them_and_no_more_than_may_be_read(
        self, sources: Sources, book: SourceBook
    ) -> None:
        """A metric over two tables is compiled; what is not granted is not spoken of."""
        await book.put_words(ACME, "shop", self.TEXT)
        opened = await sources.open(ACME, "shop")
        words = visible(opened.words, opened.catalogue)
        model = ScriptedModel(
            '{"intent": {"metric": "revenue", "dimensions": ["customers.land"],'
            ' "range": {"last": 5, "unit": "year"}}}'
        )
        asked = Question(ACME, "Revenue by land", words, opened.catalogue, date(2026, 11, 23))
        outcome = await Asking(model, opened.runner).ask(asked)
        assert isinstance(outcome, Answered), outcome
        assert {"DE", "FR", "JP", "US"} == {row[0] for row in outcome.result.rows}
        assert ("shop.customers", "shop.orders") == tuple(outcome.result.relations)
        heard = str(model.asked)
        for told in ("canceled by us", "euros", "amount", "What the customer pays"):
            assert told in heard
        assert "max(customers.name)" not in heard  # a column that was not chosen
        orders = words.relation("orders")
        assert orders is not None
        assert [Kind.TEXT] == [c.kind for c in orders.columns if c.name == "status"]

    async def test_they_are_forgotten_with_an_empty_text(
        self, sources: Sources, book: SourceBook
    ) -> None:
        """Opting out takes effect with the next question."""
        await book.put_words(ACME, "shop", self.TEXT)
        await book.put_words(ACME, "shop", " ")
        opened = await sources.open(ACME, "shop")
        assert not any(c.values for each in opened.words.relations for c in each.columns)
        assert () == opened.words.joins

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("relations = 1", "cannot be read"),
            (TEXT.replace('name = "orders"', 'name = "secrets"', 1), "contradict"),
            ('[[relations]]\nschema = "shop"\nname = "secrets"\ncolumns = []', "no table of this"),
            ("#" * 200_001, "at most 200,000"),
        ],
    )
    async def test_what_cannot_be_is_refused_with_its_reason(
        self, sources: Sources, book: SourceBook, text: str, said: str
    ) -> None:
        """A slip is found where it is made, and what was told stays."""
        with pytest.raises(Invalid, match=said):
            await book.put_words(ACME, "shop", text)

    async def test_another_tenant_tells_nothing_of_it(
        self, sources: Sources, book: SourceBook
    ) -> None:
        """A source is its tenant's alone."""
        with pytest.raises(UnknownSource):
            await book.put_words(RIVAL, "shop", self.TEXT)
