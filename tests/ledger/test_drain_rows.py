"""The drain: what arrives in PostgreSQL, how a dead process's calls close, what is set aside."""

import asyncio
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from drain_house import SMALL, House
from journal_samples import KEY, PRICE, TENANT, FakeClock, a_settled, an_opened
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from meterr.core.clock import as_datetime
from meterr.core.ids import IdFactory, unix_ms_of
from meterr.core.migrate import migrate
from meterr.core.sql import load_sql
from meterr.ledger.journal import Journal, Notice, folder
from meterr.ledger.journal.estimate import estimated
from meterr.ledger.journal.record import Rejected, parse
from meterr.ledger.journal.rows import COLUMNS
from meterr.ledger.model import Opened, Price, Progress, Rate, Settled, Usage
from support.identity import until


@pytest.fixture
def house(tmp_path: Path, database_url: str, admin_dsn: str) -> House:
    return House(tmp_path, database_url, admin_dsn)


def is_kept_waiting(house: House) -> bool:
    """Tell whether a session waits for a lock that another one has."""
    with psycopg.connect(house.admin_dsn) as connection:
        row = connection.execute("select exists (select from pg_locks where not granted)")
        return bool(row.fetchone()[0])


def settle(journal: Journal, *records: Settled) -> None:
    for record in records:
        journal.settled(record, PRICE if record.price == PRICE.id else None)
    journal.flush()  # as the end of the loop's turn would


class TestASettledCall:
    async def test_arrives_with_every_field_as_it_was(self, house: House) -> None:
        """P1: what the ledger says is what was measured, to the last digit."""
        names = Usage.__struct_fields__
        counts = {name: 10**6 + number for number, name in enumerate(names)}
        texts = {
            name: f"\\{name}\t\r\n\\N'\"é€𝄞"
            for name in (
                "surface", "upstream", "provider", "model", "answered_model", "outcome", "error",
                "estimate", "provider_request_id",
            )
        }  # fmt: skip
        record = a_settled(
            house.ids.new(),
            usage=Usage(**counts),
            cost="12345678901234567890.123456789012345678",
            stream=True,
            first_byte_ms=7,
            **texts,
        )
        journal = house.journal()
        settle(journal, record)
        await house.drained()
        plain = ("status", "request_bytes", "answer_bytes", "first_byte_ms", "duration_ms")
        columns = (
            "id::text", "tenant_id::text", "key_id::text", "at", "price_id", "state", "stream",
            "usage_known", "cost_usd", *texts, *names, *plain,
        )  # fmt: skip
        (row,) = house.ledger(*columns)
        assert (
            record.id, TENANT, KEY, as_datetime(unix_ms_of(record.id)), PRICE.id, "settled", True,
            True, Decimal(record.cost or ""), *texts.values(), *counts.values(),
            *(getattr(record, name) for name in plain),
        ) == row  # fmt: skip
        journal.close()

    async def test_without_usage_price_and_cost_has_none_and_not_zero(self, house: House) -> None:
        """P1: unknown is flagged, never 0."""
        journal = house.journal()
        settle(journal, a_settled(house.ids.new(), usage=None, price="", cost=None))
        await house.drained()
        assert [(False, None, None)] == house.ledger("usage_known", "price_id", "cost_usd")
        journal.close()

    async def test_brings_its_price_version_along(self, house: House) -> None:
        """P1: the terms that a cost was computed by are in the database with it."""
        journal = house.journal()
        settle(journal, a_settled(house.ids.new()), a_settled(house.ids.new()))
        await house.drained()
        with psycopg.connect(house.admin_dsn) as connection:
            rows = connection.execute("select price_id, rates from meterr.price_version").fetchall()
        assert [(PRICE.id, {name: {"usd": "2.5"} for name in PRICE.rates})] == rows
        journal.close()

    async def test_replayed_stays_one(self, house: House) -> None:
        """P2: a drain that dies between commit and delete doubles nothing."""
        journal = house.journal()
        records = [a_settled(house.ids.new()) for _ in range(50)]
        settle(journal, *records)
        first = await house.drained()
        second = await house.drained()  # reads the segment again, as after a kill
        assert (50, 0) == (first.report.rows, first.report.duplicates)
        assert (0, 50) == (second.report.rows, second.report.duplicates)
        assert 50 == len(house.states())
        journal.close()

    async def test_of_a_clock_that_stepped_back_arrives_all_the_same(self, house: House) -> None:
        """P2: order and identity come from sequence, never from the wall clock."""
        clock = FakeClock(house.clock.unix_ms())
        ids = IdFactory(clock)
        journal = Journal.open(house.root, clock=clock, ids=ids, limits=SMALL)
        for step_ms in (0, -3_600_000, -86_400_000 * 400, 86_400_000 * 9000):
            clock.now_ms += step_ms
            settle(journal, *(a_settled(IdFactory(clock).new()) for _ in range(3)))
        await house.drained()
        assert 12 == len(house.states())
        journal.close()

    async def test_of_today_goes_to_todays_partition(self, house: House) -> None:
        """S2: the ledger is partitioned by day; the default partition is for wild clocks."""
        journal = house.journal()
        settle(journal, a_settled(house.ids.new()))
        await house.drained()
        (row,) = house.ledger("tableoid::regclass::text", "to_char(at, 'YYYYMMDD')")
        assert f"meterr.ledger_entry_{row[1]}" == row[0]
        journal.close()

    @pytest.mark.parametrize("beside", [{}, {"usage": Usage(output=2**63)}], ids=["well", "odd"])
    async def test_whose_day_gets_its_partition_meanwhile_goes_there_as_it_is(
        self, house: House, beside: dict[str, object]
    ) -> None:
        """P2: another host makes the day while the row waits for the default partition's lock."""
        clock = FakeClock(house.clock.unix_ms() - 86_400_000 * 40)  # no day that the drain makes
        late, day = a_settled(IdFactory(clock).new()), as_datetime(clock.now_ms).date()
        journal = house.journal()
        settle(journal, a_settled(house.ids.new()))
        async with house.drain() as drain:
            await drain.drain_once()
            settle(journal, a_settled(house.ids.new(), **beside), late)
            with psycopg.connect(house.admin_dsn) as other:
                other.execute("select meterr.ensure_ledger_partitions(%s, %s)", (day, day))
                draining = asyncio.create_task(drain.drain_once())
                await until(lambda: is_kept_waiting(house))
            await draining
        journal.close()
        (row, *_) = house.ledger("id::text", "tableoid::regclass::text", "error")
        assert (late.id, f"meterr.ledger_entry_{day:%Y%m%d}", "") == row
        assert (0, 3) == (drain.report.rejected, drain.report.rows)
        assert (1 if beside else 0) == drain.report.cleaned


class TestACallWhoseProcessDied:
    async def test_is_closed_by_what_the_provider_had_reported(self, house: House) -> None:
        """P2: interrupted, priced by estimate, flagged with its method."""
        journal = house.journal()
        call_id = house.ids.new()
        journal.opened(an_opened(call_id, stream=True, request_bytes=999), PRICE)
        journal.progress(Progress(id=call_id, usage=Usage(input=10), answer_chars=3))
        journal.progress(
            Progress(id=call_id, usage=Usage(input=100, cache_read=7), answer_chars=41)
        )
        journal.close()
        drain = await house.drained()
        columns = ("state", "outcome", "estimate", "input", "cache_read", "output", "cost_usd")
        cost = (100 + 7 + 11) * Decimal("2.5") / 1_000_000
        assert [
            ("interrupted", "process_died", "reported-input+answer-chars/4", 100, 7, 11, cost)
        ] == house.ledger(*columns)
        assert (1, 1) == (drain.report.rows, drain.report.interrupted)

    async def test_without_any_report_is_closed_by_its_sizes(self, house: House) -> None:
        """P2: a call that left costs something, even if we saw nothing of its answer."""
        journal = house.journal()
        journal.opened(an_opened(house.ids.new(), request_bytes=601), PRICE)
        journal.close()
        await house.drained()
        cost = 151 * Decimal("2.5") / 1_000_000
        assert [("request-bytes/4+answer-chars/4", 151, 0, cost)] == house.ledger(
            "estimate", "input", "output", "cost_usd"
        )

    async def test_without_a_price_has_no_cost(self, house: House) -> None:
        """P1: unknown price is flagged, never 0."""
        journal = house.journal()
        journal.opened(an_opened(house.ids.new(), price=""))
        journal.close()
        await house.drained()
        assert [("interrupted", None, None)] == house.ledger("state", "price_id", "cost_usd")

    async def test_that_had_settled_is_not_closed_again(self, house: House) -> None:
        """P2: nothing twice."""
        journal = house.journal()
        call_id = house.ids.new()
        journal.opened(an_opened(call_id), PRICE)
        settle(journal, a_settled(call_id))
        journal.close()
        await house.drained()
        assert {call_id: "settled"} == house.states()
        assert [] == folder.process_folders(house.root)

    @pytest.mark.parametrize(
        ("progress", "expected"),
        [
            (None, (Usage(input=3), "request-bytes/4+answer-chars/4")),
            (Progress("x", None, 9), (Usage(input=3, output=3), "request-bytes/4+answer-chars/4")),
            (
                Progress("x", Usage(cache_read=5, output=9, reasoning=2), 9),
                (Usage(cache_read=5, output=9, reasoning=2), "reported-input+answer-chars/4"),
            ),
            (
                Progress("x", Usage(output=1), 9),
                (Usage(input=3, output=3), "request-bytes/4+answer-chars/4"),
            ),
        ],
    )
    def test_is_estimated_by_rule(
        self, progress: Progress | None, expected: tuple[Usage, str]
    ) -> None:
        """P2: the rule is pure, so a replay makes the same entry again."""
        opened: Opened = an_opened("x", request_bytes=12)
        assert expected == estimated(opened, progress)


class TestAFolderWithoutItsLock:
    async def test_is_that_of_a_dead_process(self, house: House) -> None:
        """P2: a backup may leave lock files out; its open calls are closed all the same."""
        journal = house.journal()
        opened, settled = house.ids.new(), house.ids.new()
        journal.opened(an_opened(opened), PRICE)
        settle(journal, a_settled(settled))
        journal.close()
        (journal.path / folder.OWNER_LOCK).unlink()
        await house.drained()
        assert {opened: "interrupted", settled: "settled"} == house.states()
        assert [] == folder.process_folders(house.root)

    async def test_may_hold_no_more_than_what_was_carried_over(self, house: House) -> None:
        """P2: the same for a long call whose segments are given back."""
        journal = house.journal()
        opened = house.ids.new()
        journal.opened(an_opened(opened), PRICE)
        for _ in range(2):
            settle(journal, *(a_settled(house.ids.new(), price="") for _ in range(150)))
            await house.drained()
        journal.close()
        for path in (*folder.segments(journal.path), journal.path / folder.OWNER_LOCK):
            path.unlink()
        assert [folder.CARRIED] == [path.name for path in journal.path.iterdir()]
        await house.drained()
        assert "interrupted" == house.states()[opened]

    def test_that_is_empty_may_be_one_being_born(self, tmp_path: Path) -> None:
        """P2: between a folder's making and its lock nothing is taken from its process."""
        assert folder.adopt(tmp_path) is None
        assert [] == list(tmp_path.iterdir())


class TestALongCall:
    async def test_does_not_hold_on_to_the_segments_since(self, house: House) -> None:
        """P10: an hour-long stream costs one line of disk, not every segment since it began."""
        journal = house.journal()
        long_call = house.ids.new()
        journal.opened(an_opened(long_call), PRICE)
        for _ in range(10):
            settle(journal, *(a_settled(house.ids.new()) for _ in range(100)))
            await house.drained()
        begun = [path for path in folder.segments(journal.path) if path.read_bytes()[0]]
        assert 1 == len(begun)
        assert 1000 == len(house.states())
        settle(journal, a_settled(long_call))
        await house.drained()
        assert "settled" == house.states()[long_call]
        journal.close()

    async def test_whose_process_dies_is_closed_by_a_later_drain(self, house: House) -> None:
        """P2: what is carried over holds all that the estimate needs, its price included."""
        journal = house.journal()
        long_call = house.ids.new()
        journal.opened(an_opened(long_call, request_bytes=400), PRICE)
        journal.progress(Progress(id=long_call, answer_chars=40))
        for _ in range(5):
            settle(journal, *(a_settled(house.ids.new(), price="") for _ in range(100)))
            await house.drained()
        journal.close()
        await house.drained()
        with psycopg.connect(house.admin_dsn) as connection:
            rows = connection.execute(
                "select id::text, input, output, cost_usd from meterr.ledger_entry"
                " where state = 'interrupted'"
            ).fetchall()
        assert [(long_call, 100, 10, 110 * Decimal("2.5") / 1_000_000)] == rows


class TestARowThatPostgresqlRefuses:
    async def test_is_set_aside_with_the_reason_and_stops_no_other(self, house: House) -> None:
        """P2: one odd row never stops the drain, and is never dropped either."""
        journal = house.journal()
        good = [a_settled(house.ids.new()) for _ in range(40)]
        odd = [
            a_settled(house.ids.new(), tenant="nobody"),
            a_settled(house.ids.new(), key=""),
            a_settled("not-an-id"),
        ]
        for number, record in enumerate(good):
            settle(journal, record, *odd[number // 7 : number // 7 + 1][: number % 7 == 0])
        drain = await house.drained()
        assert {record.id for record in good} == house.states().keys()
        assert (40, 0, 3) == (drain.report.rows, drain.report.duplicates, drain.report.rejected)
        (file,) = (house.root / folder.REJECTED).iterdir()
        kept = [parse(line) for line in file.read_bytes().splitlines()]
        assert all(isinstance(line, Rejected) and line.reason for line in kept)
        assert {r.id for r in odd} == {getattr(getattr(r, "record", None), "id", "") for r in kept}
        assert [Notice.REJECTED] * 3 == [notice for notice, _ in house.heard]
        journal.close()

    async def test_may_be_a_price(self, house: House) -> None:
        """P2: entries that name a price arrive although its definition was refused."""
        odd = Price("p1", "openai", "m\0", "exact", "t", "standard", {"input": Rate("1")})
        journal = house.journal()
        journal.opened(an_opened(house.ids.new(), price="p1"), odd)
        settle(journal, a_settled(house.ids.new()))
        journal.close()
        drain = await house.drained()
        assert ["interrupted", "settled"] == sorted(house.states().values())
        assert 1 == drain.report.rejected


class TestADamagedSegment:
    async def test_is_read_around_and_kept_aside(self, house: House) -> None:
        """P2: what cannot be read is reported with place and size, and never deleted."""
        journal = house.journal()
        records = [a_settled(house.ids.new()) for _ in range(9)]
        settle(journal, *records)
        journal.close()
        (segment,) = folder.segments(journal.path)
        data = bytearray(segment.read_bytes())
        place = data.index(records[4].id.encode())
        data[place] ^= 4
        segment.write_bytes(data)
        drain = await house.drained()
        assert {r.id for r in records if r is not records[4]} == house.states().keys()
        ((notice, fields),) = house.heard
        assert (Notice.DAMAGED, str(segment)) == (notice, fields["file"])
        assert int(fields["offset"]) < place < int(fields["offset"]) + int(fields["size"])
        (kept,) = (house.root / folder.DAMAGED).iterdir()
        assert bytes(data) == kept.read_bytes()
        assert 1 == drain.report.damaged
        assert [] == folder.process_folders(house.root)

    async def test_that_lost_an_opened_line_costs_no_settled_call(self, house: House) -> None:
        """P2: a settled record is the whole entry."""
        journal = house.journal()
        call_id = house.ids.new()
        journal.opened(an_opened(call_id), PRICE)
        settle(journal, a_settled(call_id))
        journal.close()
        (segment,) = folder.segments(journal.path)
        data = segment.read_bytes()
        segment.write_bytes(data.replace(b'{"kind":"opened"', b'{"kind":"opaned"', 1))
        await house.drained()
        assert {call_id: "settled"} == house.states()

    async def test_does_not_count_a_strangers_file(self, house: House) -> None:
        """P2: a file that is not ours neither stops the drain nor is deleted."""
        journal = house.journal()
        settle(journal, a_settled(house.ids.new()))
        (journal.path / "notes.txt").write_text("mine")
        journal.close()
        await house.drained()
        assert 1 == len(house.states())
        (kept,) = (house.root / folder.DAMAGED).iterdir()
        assert "mine" == (kept / "notes.txt").read_text()


async def test_a_database_that_took_temporary_tables_from_public_is_drained(house: House) -> None:
    """P10: a hardened PostgreSQL needs nothing done by hand."""
    name = sql.Identifier(conninfo_to_dict(house.admin_dsn)["dbname"])
    with psycopg.connect(house.admin_dsn) as connection:
        connection.execute(sql.SQL("revoke temporary on database {} from public").format(name))
    await migrate(house.dsn)
    journal = house.journal()
    settle(journal, a_settled(house.ids.new()))
    await house.drained()
    assert 1 == len(house.states())
    journal.close()


def test_the_rows_have_the_columns_of_the_table_they_are_copied_into() -> None:
    """P1: one order of columns, in Python and in SQL."""
    statement = load_sql("meterr.ledger.journal")["make_incoming"]
    inside = statement[statement.index("(") + 1 : statement.rindex(")")]
    assert [definition.split()[0] for definition in inside.split(",")] == list(COLUMNS)
