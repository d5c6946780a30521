"""What real answers of every provider and surface mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.gateway import metering
from support.metering import Golden, corpus, cut_at, metered

WHOLE = corpus(stream=False)
STREAMS = corpus(stream=True)


def _name(golden: Golden) -> str:
    return golden.name


@pytest.mark.parametrize("golden", WHOLE, ids=_name)
def test_a_whole_answer_is_read_as_its_provider_meant_it(golden: Golden) -> None:
    """P1: token vector, model and tier are the provider's own, in disjoint classes."""
    assert golden.reading == metering.read_answer(golden.surface, golden.raw)


@pytest.mark.parametrize("golden", STREAMS, ids=_name)
def test_a_stream_is_relayed_untouched_and_read(golden: Golden) -> None:
    """P8: each byte goes through; P1: usage, end and failure are seen."""
    found = metered(golden.surface, [golden.raw])
    assert golden.raw == found.relayed
    assert golden.reading == found.reading
    assert (golden.complete, golden.error_seen) == (found.complete, found.error_seen)
    assert golden.answer_chars == found.answer_chars


@pytest.mark.parametrize("golden", STREAMS, ids=_name)
def test_only_the_chunk_we_asked_for_is_taken_out(golden: Golden) -> None:
    """P8: a client that did not ask for usage gets what it would have got without meterr."""
    found = metered(golden.surface, [golden.raw], strip=True)
    assert golden.stripped == found.relayed
    assert golden.reading == found.reading
    assert golden.answer_chars == found.answer_chars


@pytest.mark.parametrize("golden", STREAMS, ids=_name)
def test_single_bytes_tell_the_same_as_the_whole(golden: Golden) -> None:
    """Issue 2: any split of a stream gives the same vector."""
    single = [golden.raw[at : at + 1] for at in range(len(golden.raw))]
    for strip in (False, True):
        assert metered(golden.surface, [golden.raw], strip=strip) == metered(
            golden.surface, single, strip=strip
        )


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 6000), max_size=40), st.booleans())
def test_no_split_changes_what_is_read_or_relayed(
    golden: Golden, places: list[int], strip: bool
) -> None:
    """Issue 2: any split of a stream into chunks gives the same vector and the same bytes."""
    expected = metered(golden.surface, [golden.raw], strip=strip)
    assert expected == metered(golden.surface, cut_at(golden.raw, places), strip=strip)


@given(
    st.sampled_from(STREAMS),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.booleans(),
    st.lists(st.integers(0, 6000), max_size=20),
)
def test_line_ends_and_a_byte_order_mark_change_nothing(
    golden: Golden, line_end: bytes, marked: bool, places: list[int]
) -> None:
    """The event stream format allows LF, CR LF and CR, and one byte order mark at the start."""
    raw = golden.raw.replace(b"\r\n", b"\n").replace(b"\n", line_end)
    kept = golden.stripped.replace(b"\r\n", b"\n").replace(b"\n", line_end)
    mark = b"\xef\xbb\xbf" if marked else b""
    found = metered(golden.surface, cut_at(mark + raw, places), strip=True)
    if golden.complete:  # a cut stream may have lost half of a line end, and so an event
        assert mark + kept == found.relayed
        assert golden.reading == found.reading


@given(st.sampled_from(STREAMS), st.integers(0, 6000), st.booleans())
def test_a_stream_cut_anywhere_relays_all_that_came(golden: Golden, at: int, strip: bool) -> None:
    """P8: a cut loses nothing that arrived, and a cut stream is never taken for a complete one."""
    part = golden.raw[:at]
    found = metered(golden.surface, [part], strip=strip)
    if not strip or golden.stripped == golden.raw:
        assert part == found.relayed
    if found.complete:
        assert golden.complete
    if found.reading.usage is not None and golden.surface != "anthropic.messages":
        assert golden.reading.usage == found.reading.usage


@given(st.sampled_from(STREAMS), st.integers(0, 6000))
def test_asking_in_the_middle_changes_nothing_at_the_end(golden: Golden, at: int) -> None:
    """The state may be written to the journal at any moment of a stream."""
    meter = metering.StreamMeter(golden.surface)
    meter.feed(golden.raw[:at])
    asked = (meter.reading, meter.complete, meter.error_seen, meter.answer_chars)
    meter.feed(golden.raw[at:])
    meter.finish()
    assert asked[3] <= meter.answer_chars
    assert golden.reading == meter.reading
    assert golden.answer_chars == meter.answer_chars


def test_the_corpus_holds_every_provider_and_surface() -> None:
    """Issue 2: a fixture per provider x surface x {stream, not, cut, error}."""
    names = {golden.name for golden in WHOLE + STREAMS}
    for place in (
        "openai-openai-chat",
        "moonshot-openai-chat",
        "vllm-openai-chat",
        "openai-openai-responses",
        "anthropic-anthropic-messages",
        "moonshot-anthropic-messages",
    ):
        kinds = {f"{place}-{kind}" for kind in ("stream", "whole", "whole-error", "cut", "error")}
        assert set() == kinds - names
