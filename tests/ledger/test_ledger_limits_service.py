"""Setting, listing and ending limits, and what is refused before anything is written."""

import uuid
from datetime import UTC, date
from decimal import Decimal

import pytest
from limit_house import House

from meterr.core.errors import Invalid, NotFound
from meterr.core.limits import Holder, Measure, Span
from meterr.ledger.limits import (
    Ask,
    NewLimit,
    end_limit,
    ensure_upstream_limit,
    limit_events,
    list_limits,
    set_limit,
)
from meterr.ledger.limits.terms import checked
from meterr.ledger.period import period_of

NOVEMBER = period_of(date(2026, 11, 1), date(2026, 12, 1), UTC)


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn)
    made.settle_in()
    return made


def wish(**changes: object) -> NewLimit:
    fields: dict[str, object] = {
        "measure": Measure.USD,
        "holder": Holder.TENANT,
        "span": Span.MONTH,
        "amount": "5",
    }
    return NewLimit(**{**fields, **changes})


class TestTerms:
    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("amount", {"amount": "-1"}),
            ("amount", {"amount": "NaN"}),
            ("amount", {"amount": "Infinity"}),
            ("amount", {"amount": "1e3"}),
            ("amount", {"amount": ""}),
            ("amount", {"amount": "٣"}),
            ("amount", {"amount": "0.0000000000000000001"}),
            ("amount", {"amount": "1000000000001"}),
            ("amount", {"amount": "1.5", "measure": "requests", "span": "minute"}),
            ("amount", {"amount": "-1", "measure": "concurrency", "span": "call"}),
            ("span", {"span": "minute"}),
            ("span", {"span": "fortnight"}),
            ("span", {"measure": "tokens", "span": "day"}),
            ("span", {"measure": "concurrency", "span": "minute"}),
            ("measure", {"measure": "euros"}),
            ("holder", {"holder": "everybody"}),
            ("subject", {"subject": "ada"}),
            ("subject", {"holder": "owner"}),
            ("subject", {"holder": "owner", "subject": "a\nb"}),
            ("subject", {"holder": "key", "subject": "not-a-key"}),
            ("model", {"model": "gpt-[45]"}),
            ("model", {"model": "gpt 5"}),
            ("model", {"model": "g" * 129}),
        ],
    )
    def test_terms_that_cannot_be_meant_name_their_field(
        self, field: str, changes: dict[str, str]
    ) -> None:
        """Bad input: nothing is written, and the way out is said."""
        with pytest.raises(Invalid) as refused:
            checked(wish(**changes))
        assert field == refused.value.param

    def test_a_misspelt_word_is_answered_with_the_nearest(self) -> None:
        """Configuration that cannot be misread."""
        with pytest.raises(Invalid, match="did you mean requests"):
            checked(wish(measure="request"))

    def test_amounts_are_canonical(self) -> None:
        """0.50 and 0.5 are one amount; so are 007 and 7."""
        assert ("0.5", "7") == (
            checked(wish(amount="0.50")).amount,
            checked(wish(measure="requests", span="minute", amount="007")).amount,
        )


class TestRules:
    async def test_setting_it_again_changes_the_amount(self, house: House) -> None:
        """Same measure, holder, subject, model and span: the same rule."""
        async with house.database() as db:
            first = await set_limit(db, house.clock, house.tenant, wish())
            again = await set_limit(db, house.clock, house.tenant, wish(amount="7.25", hard=False))
            other = await set_limit(db, house.clock, house.tenant, wish(model="gpt-*"))
            listed = await list_limits(db, house.clock, house.tenant)

        assert first.limit_id == again.limit_id != other.limit_id
        assert [(Decimal("7.25"), False), (Decimal(5), True)] == [
            (rule.amount, rule.hard) for rule in listed
        ]

    async def test_an_ended_rule_is_kept_and_can_be_set_anew(self, house: House) -> None:
        """Rules are ended, never deleted."""
        async with house.database() as db:
            first = await set_limit(db, house.clock, house.tenant, wish())
            await end_limit(db, house.tenant, first.limit_id)
            assert [] == await list_limits(db, house.clock, house.tenant)
            with pytest.raises(NotFound):
                await end_limit(db, house.tenant, first.limit_id)
            again = await set_limit(db, house.clock, house.tenant, wish())
            every = await list_limits(db, house.clock, house.tenant, ended=True)

        assert first.limit_id != again.limit_id
        assert [True, False] == [rule.ended_at is not None for rule in every]

    async def test_a_list_shows_the_present_window_in_the_tenants_zone(self, house: House) -> None:
        """Taken is what processes hold and spent, spent is what the ledger says."""
        house.admin("update meterr.tenant set time_zone = 'Asia/Tokyo'")
        rule = await house.rule(Measure.USD, "5", Span.DAY)
        async with house.limiters() as (limiter,), house.database() as db:
            principal = house.principal("Asia/Tokyo")
            ask = Ask.of(Decimal("0.5"), 0)
            await limiter.reserve(principal, [rule], ask, house.clock.unix_ms())
            (listed,) = await list_limits(db, house.clock, house.tenant)
            house.clock.advance(24 * 3600)
            (tomorrow,) = await list_limits(db, house.clock, house.tenant)

        assert listed.starts_at is not None
        assert "2026-11-21T15:00:00+00:00" == listed.starts_at.isoformat()
        assert (Decimal("0.5"), Decimal(0)) == (listed.taken, listed.spent)
        assert tomorrow.starts_at == listed.ends_at
        assert Decimal(0) == tomorrow.taken

    async def test_limits_of_keys_and_tenants_that_are_not_there(self, house: House) -> None:
        """Not found and not yours are not told apart."""
        stranger = str(uuid.uuid4())
        of_key = wish(holder=Holder.KEY, subject=stranger)
        async with house.database() as db:
            for tenant, new in ((stranger, wish()), ("acme", wish()), (house.tenant, of_key)):
                with pytest.raises(NotFound):
                    await set_limit(db, house.clock, tenant, new)
            with pytest.raises(NotFound):
                await list_limits(db, house.clock, stranger)
            with pytest.raises(NotFound):
                await end_limit(db, house.tenant, "first")
        assert [(0,)] == house.admin("select count(*) from meterr.limit_rule")

    async def test_a_tenant_sees_and_ends_only_its_own(self, house: House) -> None:
        """P4."""
        other = House(house.dsn, house.admin_dsn)
        house.admin("insert into meterr.tenant (tenant_id, name) values (%s, 'b')", other.tenant)
        async with house.database() as db:
            mine = await set_limit(db, house.clock, house.tenant, wish())
            assert [] == await list_limits(db, house.clock, other.tenant)
            with pytest.raises(NotFound):
                await end_limit(db, other.tenant, mine.limit_id)

    async def test_an_upstreams_limit_is_made_once_and_follows_the_configuration(
        self, house: House
    ) -> None:
        """It belongs to no tenant, and no tenant can set one."""
        async with house.database() as db:
            first = await ensure_upstream_limit(db, "kimi", 3)
            again = await ensure_upstream_limit(db, "kimi", 5)
            with pytest.raises(Invalid, match="configuration file"):
                await set_limit(
                    db, house.clock, house.tenant, wish(holder=Holder.UPSTREAM, subject="kimi")
                )
            assert [] == await list_limits(db, house.clock, house.tenant)

        assert (first.limit_id, Decimal(5)) == (again.limit_id, again.amount)
        assert (Measure.CONCURRENCY, Holder.UPSTREAM) == (again.measure, again.holder)


class TestEvents:
    async def test_a_window_that_fills_is_told_in_steps_newest_first(self, house: House) -> None:
        """50, 80, 95 and 100 %, once each; pages follow each other, also within one instant."""
        rule = await house.rule(Measure.USD, "5", Span.MONTH, hard=False)
        for percent in (50, 80, 95, 100):
            house.admin(
                "insert into meterr.limit_event (tenant_id, limit_id, starts_at, percent, at,"
                " spent, amount) values (%s, %s, '2026-11-01', %s, '2026-11-02', 5, 5)",
                *(house.tenant, rule.limit_id, percent),
            )
        async with house.database() as db:
            first = await limit_events(db, house.tenant, NOVEMBER, limit=3)
            rest = await limit_events(db, house.tenant, NOVEMBER, before=first[-1], limit=3)
            with pytest.raises(Invalid):
                await limit_events(db, house.tenant, NOVEMBER, limit=0)

        assert [100, 95, 80, 50] == [event.percent for event in (*first, *rest)]
        assert {(rule.limit_id, Holder.TENANT, False)} == {
            (event.limit_id, event.holder, event.hard) for event in first
        }

    async def test_a_period_of_events_is_half_open(self, house: House) -> None:
        """What happened at its start is in it, what happened at its end is not."""
        rule = await house.rule(Measure.USD, "5", Span.TOTAL)
        moments = {50: "2026-10-31 23:59:59.999999", 80: "2026-11-01", 95: "2026-12-01"}
        for percent, at in moments.items():
            house.admin(
                "insert into meterr.limit_event (tenant_id, limit_id, starts_at, percent, at,"
                " spent, amount) values (%s, %s, 'epoch', %s, %s, 5, 5)",
                *(house.tenant, rule.limit_id, percent, f"{at}+00"),
            )
        async with house.database() as db:
            assert [80] == [e.percent for e in await limit_events(db, house.tenant, NOVEMBER)]
