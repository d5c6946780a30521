"""Entries: page by page, and as they arrive."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_rows import KEY, entry, id_at, insert, run_as_admin

from meterr.core.db import Database, Role
from meterr.core.errors import Invalid
from meterr.ledger import EntryFilter, Follower, entries
from meterr.ledger.following import LATE_MS
from meterr.ledger.model import State, Usage
from meterr.ledger.report import Entry

TENANT = str(uuid.UUID(int=1))
OTHER = str(uuid.UUID(int=2))
SINCE, UNTIL = date(2026, 11, 1), date(2026, 12, 1)
START_MS = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as opened:
        yield opened


async def all_pages(db: Database, tenant: str, limit: int, **how: object) -> list[Entry]:
    found: list[Entry] = []
    after: str | None = None
    while True:
        page = await entries(db, tenant, since=SINCE, until=UNTIL, limit=limit, after=after, **how)
        assert len(page.entries) <= limit
        found += page.entries
        after = page.next
        if after is None:
            return found


class TestPages:
    @settings(
        max_examples=15,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        moments=st.lists(st.integers(0, 5), max_size=12),
        limit=st.integers(1, 5),
        newest_first=st.booleans(),
    )
    async def test_pages_give_each_entry_once_and_in_order(
        self, db: Database, database_url: str, moments: list[int], limit: int, newest_first: bool
    ) -> None:
        """Section 9: keyset pages, also where many calls share a millisecond."""
        tenant = str(uuid.uuid4())
        insert(database_url, [entry(tenant, START_MS + at, n) for n, at in enumerate(moments)])
        found = await all_pages(db, tenant, limit, newest_first=newest_first)
        told = sorted((id_at(START_MS + at, n) for n, at in enumerate(moments)))
        assert (told[::-1] if newest_first else told) == [each.id for each in found]

    async def test_an_entry_whose_id_lies_about_its_time_ends_no_listing(
        self, db: Database, admin_dsn: str, database_url: str
    ) -> None:
        """P7: a cursor made of the row itself always moves on, whatever was done to the row."""
        insert(database_url, [entry(TENANT, START_MS + n, n) for n in range(4)])
        run_as_admin(
            admin_dsn, "UPDATE meterr.ledger_entry SET id = 'ffffffff-0000-7000-8000-000000000000'"
            " WHERE id = (SELECT min(id::text)::uuid FROM meterr.ledger_entry)"
        )  # fmt: skip
        assert 4 == len(await all_pages(db, TENANT, 1))
        assert 4 == len(await all_pages(db, TENANT, 1, newest_first=False))

    async def test_an_entry_comes_back_as_it_was_written(
        self, db: Database, database_url: str
    ) -> None:
        """P1: every figure on any screen equals the ledger."""
        classes = {name: n + 1 for n, name in enumerate(Usage.__struct_fields__)}
        told = {
            "surface": "anthropic.messages", "upstream": "kimi", "provider": "moonshotai",
            "model": "kimi-k2.6", "answered_model": "kimi-k2.6-0901", "stream": True,
            "status": 200, "outcome": "client_gone", "error": "client-gone",
            "estimate": "chars/4", "request_bytes": 1, "answer_bytes": 2, "first_byte_ms": 3,
            "duration_ms": 4, "provider_request_id": "req_1",
        }  # fmt: skip
        insert(
            database_url,
            [entry(TENANT, START_MS, price_id="p", state="interrupted", **told, **classes)],
        )
        (found,) = await all_pages(db, TENANT, 9)
        assert Usage(**classes) == found.usage
        assert ("p", State.INTERRUPTED, KEY) == (found.price, found.state, found.key)
        assert told == {name: getattr(found, name) for name in told}

    @pytest.mark.parametrize(
        ("wanted", "numbers"),
        [
            (EntryFilter(), [5, 4, 3, 2, 1]),
            (EntryFilter(model="b"), [2]),
            (EntryFilter(state=State.REFUSED), [3]),
            (EntryFilter(failed=True), [4, 3]),
            (EntryFilter(unpriced=True), [5]),
            (EntryFilter(key=str(uuid.UUID(int=9))), [1]),
            (EntryFilter(model="b", failed=True), []),
        ],
    )
    async def test_filters_narrow_and_never_widen(
        self, db: Database, database_url: str, wanted: EntryFilter, numbers: list[int]
    ) -> None:
        """Issue 2, item 10: `logs` by model, key, state, failure, missing price."""
        nothing = {"cost_usd": None, "usage_known": False, "input": 0, "output": 0}
        rows = [
            entry(TENANT, START_MS, 1, key_id=str(uuid.UUID(int=9))),
            entry(TENANT, START_MS, 2, model="b"),
            entry(TENANT, START_MS, 3, state="refused", status=402, **nothing),
            entry(TENANT, START_MS, 4, status=500, **nothing),
            entry(TENANT, START_MS, 5, cost_usd=None),
            entry(OTHER, START_MS, 6),
        ]
        insert(database_url, rows)
        found = await all_pages(db, TENANT, 2, wanted=wanted)
        assert [id_at(START_MS, number) for number in numbers] == [each.id for each in found]

    @pytest.mark.parametrize("cursor", ["", "1", "1.2", "x.y", "1." + "0" * 36, "9" * 40])
    async def test_a_cursor_of_somebody_else_is_refused(self, db: Database, cursor: str) -> None:
        """Issue 2, bad input."""
        with pytest.raises(Invalid, match="cursor"):
            await entries(db, TENANT, since=SINCE, until=UNTIL, after=cursor)

    @pytest.mark.parametrize(
        ("wanted", "param"),
        [
            (EntryFilter(key="sk-meterr"), "key"),
            (EntryFilter(key=""), "key"),
            (EntryFilter(model="a\0b"), "model"),
        ],
    )
    async def test_a_filter_that_can_match_nothing_is_refused(
        self, db: Database, wanted: EntryFilter, param: str
    ) -> None:
        """Issue 2, bad input: the field is named before PostgreSQL sees it."""
        with pytest.raises(Invalid) as refused:
            await entries(db, TENANT, since=SINCE, until=UNTIL, wanted=wanted)
        assert param == refused.value.param

    @pytest.mark.parametrize("limit", [0, -1, 1_001])
    async def test_a_page_has_a_bound(self, db: Database, limit: int) -> None:
        """Section 9: every list has a bound, and the answer names it."""
        with pytest.raises(Invalid, match="1 to 1,000"):
            await entries(db, TENANT, since=SINCE, until=UNTIL, limit=limit)


class TestFollowing:
    async def test_each_entry_is_given_once_even_when_it_arrives_late(
        self, db: Database, database_url: str
    ) -> None:
        """Issue 2, item 10: a long stream's entry has an older id than those already shown."""
        follower = Follower(db, TENANT, START_MS, EntryFilter())
        insert(database_url, [entry(TENANT, START_MS - 1), entry(TENANT, START_MS + 5_000)])
        assert [id_at(START_MS + 5_000)] == [e.id for e in await follower.poll(START_MS + 6_000)]
        assert [] == await follower.poll(START_MS + 7_000)
        insert(database_url, [entry(TENANT, START_MS + 1), entry(OTHER, START_MS + 2)])
        assert [id_at(START_MS + 1)] == [e.id for e in await follower.poll(START_MS + 8_000)]
        assert [] == await follower.poll(START_MS + 9_000)

    async def test_what_is_remembered_does_not_grow(self, db: Database, database_url: str) -> None:
        """Section 9: a terminal left open for a year costs no more than one of an hour."""
        follower = Follower(db, TENANT, START_MS, EntryFilter())
        insert(database_url, [entry(TENANT, START_MS + n, n) for n in range(5)])
        assert 5 == len(await follower.poll(START_MS + 10))
        assert [] == await follower.poll(START_MS + 10 + LATE_MS + 60_000)
        assert {} == follower._shown
