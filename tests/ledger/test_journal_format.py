"""The journal's lines: what a reader makes of bytes that were cut, flipped, or never written."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_samples import PRICE, a_settled, an_opened

from meterr.ledger.journal.record import SegmentBegan, Unreadable, fitted, frame, parse
from meterr.ledger.journal.segment import Damage, scan_live, scan_sealed
from meterr.ledger.model import PriceDefined, Settled, Usage

FIRST = frame(an_opened("01990000-0000-7000-8000-000000000001"))
MIDDLE = frame(a_settled("01990000-0000-7000-8000-000000000002"))
LAST = frame(a_settled("01990000-0000-7000-8000-000000000003"))
UNWRITTEN = bytes(512)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
counts = st.integers(0, 2**63 - 1)


@st.composite
def settled(draw: st.DrawFn) -> Settled:
    usage = Usage(**{name: draw(counts) for name in ("input", "cache_read", "output")})
    names = ("model", "answered_model", "outcome", "error", "provider_request_id")
    changes = {name: draw(texts) for name in names}
    return a_settled("01990000-0000-7000-8000-000000000009", usage=usage, **changes)


class TestALine:
    @given(settled())
    def test_is_read_as_it_was_written(self, record: Settled) -> None:
        """P2: nothing lost on the way through the journal, whatever the texts hold."""
        assert record == parse(frame(record)[:-1])

    @given(settled())
    def test_holds_no_nul_and_no_newline_before_its_end(self, record: Settled) -> None:
        """P2: NUL means unwritten and a newline means the end; neither may occur inside."""
        line = frame(record)
        assert b"\0" not in line
        assert len(line) - 1 == line.index(b"\n")

    def test_with_any_one_bit_flipped_is_noticed(self) -> None:
        """P2: damage is reported, never taken for a record."""
        line = MIDDLE[:-1]
        for position in range(len(line) * 8):
            with pytest.raises(Unreadable):
                parse(flipped(line, position))

    def test_of_an_unknown_kind_is_damage_and_not_a_crash(self) -> None:
        """P2: what cannot be read is reported with its place."""
        for body in (b'{"kind":"tomorrow"}', b"[1]", b'{"kind":"settled"', b"\xff"):
            with pytest.raises(Unreadable):
                parse(b"%08x %b" % (crc32(body), body))

    @given(settled())
    def test_that_was_cut_to_fit_keeps_identity_and_money(self, record: Settled) -> None:
        """P1: cutting free text never touches who, what, or how much."""
        kept = fitted(record, 10)
        identity = ("id", "tenant", "key", "price", "cost", "usage", "model", "status")
        assert all(getattr(record, name) == getattr(kept, name) for name in identity)
        assert len(kept.error) <= 10

    def test_takes_what_a_careless_provider_sends(self) -> None:
        """P2: lone surrogates and absurd counts never keep an entry from being written."""
        record = a_settled(
            "01990000-0000-7000-8000-000000000009",
            answered_model="\ud800x",
            usage=Usage(input=2**80, output=-3),
        )
        kept = parse(frame(fitted(record, 40))[:-1])
        assert isinstance(kept, Settled)
        assert ("?x", Usage(input=2**63 - 1)) == (kept.answered_model, kept.usage)


class TestASegmentWhoseProcessIsDead:
    def test_torn_at_any_byte_of_its_last_line_loses_at_most_that_line(self) -> None:
        """P2: a torn tail is cut at the last whole record and reported with place and size."""
        for kept in range(len(LAST) + 1):
            for after in (b"", UNWRITTEN):
                scan = scan_sealed(FIRST + MIDDLE + LAST[:kept] + after, 0, "f")
                whole = kept >= len(LAST) - 1  # the checksum vouches for all but the newline
                assert 2 + whole == len(scan.records)
                start = len(FIRST) + len(MIDDLE)
                torn = [Damage("f", start, kept, "torn: no end of line")]
                assert ([] if whole or not kept else torn) == scan.damages

    def test_with_any_one_bit_flipped_loses_at_most_the_lines_it_touches(self) -> None:
        """P2: a flipped bit costs one record, two when it hits the newline between them."""
        data = FIRST + MIDDLE + LAST + UNWRITTEN
        newline = len(FIRST) + len(MIDDLE) - 1
        for position in range(len(FIRST) * 8, (len(FIRST) + len(MIDDLE)) * 8):
            scan = scan_sealed(flipped(data, position), 0, "f")
            ids = {getattr(record, "id", "")[-1] for record in scan.records}
            assert ({"1"} if position // 8 == newline else {"1", "3"}) == ids
            lost = sum(damage.size for damage in scan.damages)
            touched = len(MIDDLE) + (len(LAST) if position // 8 == newline else 0)
            assert touched == lost

    def test_with_a_page_that_never_reached_the_disk_is_read_around_it(self) -> None:
        """P2: after a power cut a hole is reported and what follows is read."""
        scan = scan_sealed(FIRST + bytes(4096) + MIDDLE + UNWRITTEN, 0, "f")
        assert 2 == len(scan.records)
        assert [
            Damage("f", len(FIRST), 4096, "hole: bytes that were never written")
        ] == scan.damages

    def test_with_a_bit_set_in_its_unwritten_end_is_reported(self) -> None:
        """P2: every byte that is not what was written is named."""
        end = len(FIRST)
        scan = scan_sealed(flipped(FIRST + UNWRITTEN, (end + 100) * 8), 0, "f")
        assert [(end, 100), (end + 100, 1)] == [(d.offset, d.size) for d in scan.damages]

    def test_that_a_later_meterr_wrote_is_kept_whole_and_not_read(self) -> None:
        """P2: a format we do not know is never guessed at."""
        data = frame(SegmentBegan(2, "p", 1)) + MIDDLE
        assert [] == scan_live(data, 0, "f").records
        dead = scan_sealed(data, 0, "f")
        assert [] == dead.records
        assert [Damage("f", 0, len(data), "written in format 2, not 1")] == dead.damages


class TestASegmentThatIsStillWritten:
    def test_is_read_up_to_its_last_whole_line(self) -> None:
        """P2: what is on its way is neither lost nor reported."""
        for kept in range(len(LAST)):
            scan = scan_live(FIRST + LAST[:kept] + UNWRITTEN, 0, "f")
            assert (1, [], len(FIRST)) == (len(scan.records), scan.damages, scan.offset)

    def test_is_read_on_from_where_reading_stopped(self) -> None:
        """P2: each line is read once, however the reads fall."""
        data = FIRST + MIDDLE + LAST
        for cut in range(len(data) + 1):
            first = scan_live(data[:cut] + UNWRITTEN, 0, "f")
            rest = scan_live(data[first.offset :] + UNWRITTEN, first.offset, "f")
            assert 3 == len(first.records) + len(rest.records)

    def test_is_not_read_past_bytes_that_may_be_on_their_way(self) -> None:
        """P2: a reader may see a later page before an earlier one."""
        scan = scan_live(FIRST + bytes(len(MIDDLE)) + LAST, 0, "f")
        assert (1, []) == (len(scan.records), scan.damages)
        assert len(MIDDLE) + len(LAST) == scan.left

    def test_reports_a_damaged_line_between_whole_ones(self) -> None:
        """P2: what is damaged for certain is said at once."""
        scan = scan_live(FIRST + flipped(MIDDLE, 100) + LAST, 0, "f")
        assert (2, len(MIDDLE)) == (len(scan.records), scan.damages[0].size)


def test_a_price_definition_survives_the_journal() -> None:
    """P1: what an interrupted call is priced by is what was in force when it left."""
    assert PriceDefined(PRICE) == parse(frame(PriceDefined(PRICE))[:-1])


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position // 8] ^= 1 << position % 8
    return bytes(changed)
