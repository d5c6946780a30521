"""What a stream meter must not be fooled by."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.gateway import metering
from meterr.gateway.metering import sse
from meterr.ledger.model import Usage
from support.metering import cut_at, event, metered

CHAT = "openai.chat"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
DONE = b"data: [DONE]\n\n"
TEXT = st.text(max_size=30) | st.sampled_from(
    ['"usage":{"prompt_tokens":1}', "\n\ndata: [DONE]\n\n", '{"choices":[],"usage":{}}', '"error"']
)


def _said(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}], **more}


@given(st.lists(TEXT, max_size=8), st.lists(st.integers(0, 3000)), st.booleans())
def test_no_text_passes_for_usage_or_for_an_end(
    texts: list[str], places: list[int], ascii_only: bool
) -> None:
    """Issue 2: strings that look like usage or like the end never count."""
    raw = b"".join(
        b"data: "
        + json.dumps(_said(text), ensure_ascii=ascii_only).encode(errors="replace")
        + b"\n\n"
        for text in texts
    )
    found = metered(CHAT, cut_at(raw, places), strip=True)
    assert raw == found.relayed
    assert (None, False, False) == (found.reading.usage, found.complete, found.error_seen)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.booleans()), min_size=1),
    st.lists(st.integers(0, 2000)),
)
def test_repeated_usage_replaces_and_never_adds(
    told: list[tuple[int, bool]], places: list[int]
) -> None:
    """metering.md 22: the same usage in a choice and in a trailing chunk is one usage."""
    events = [
        event(_said("x", usage={"prompt_tokens": n, "completion_tokens": n}))
        if at_top
        else event(
            {"choices": [{"delta": {}, "usage": {"prompt_tokens": n, "completion_tokens": n}}]}
        )
        for n, at_top in told
    ]
    last = told[-1][0]
    found = metered(CHAT, cut_at(b"".join([*events, DONE]), places))
    assert Usage(input=last, output=last) == found.reading.usage


@pytest.mark.parametrize(
    "raw",
    [
        b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n',
        b'data:{"usage" : {"completion_tokens":5,"prompt_tokens":10}, "choices" : [ ]}\n\n',
        b'data: {"choices":[],"us\\u0061ge":{"prompt_tokens":10,"completion_tokens":5}}\n\n',
        b'data: {"choices":[],\ndata: "usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n',
        b'id: 4\r\ndata: {"usage":{"prompt_tokens":10,"completion_tokens":5}}\r\n\r\n',
        b'data: {"usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n',
    ],
)
def test_however_it_is_spelled_the_usage_chunk_is_found(raw: bytes) -> None:
    """Spacing, order, escapes and lines are the provider's choice."""
    before, after = event(_said("a", usage=None)), event(_said("b"))
    found = metered(CHAT, [before + raw + after + DONE], strip=True)
    assert before + after + DONE == found.relayed
    assert Usage(input=10, output=5) == found.reading.usage


@pytest.mark.parametrize(
    "kept",
    [
        _said("x", usage=USAGE),
        {"choices": [], "usage": None, "prompt_filter_results": []},
        {"choices": [], "usage": USAGE, "error": {"message": "x"}},
        {"choices": [], "usage": USAGE, "moderation": {"input": {}}},
        {"choices": [{"delta": {"content": "x"}, "usage": {"prompt_tokens": -1}}]},
        {"choices": {"odd": 1}, "usage": USAGE},
    ],
)
def test_a_chunk_that_carries_anything_else_stays(kept: dict[str, Any]) -> None:
    """P8: only the extra chunk goes."""
    raw = event(kept) + DONE
    assert raw == metered(CHAT, [raw], strip=True).relayed


def test_a_usage_chunk_with_absurd_numbers_is_stripped_and_reported() -> None:
    """The client did not ask for it, whatever is in it."""
    found = metered(
        CHAT, [event({"choices": [], "usage": {"prompt_tokens": -1}}) + DONE], strip=True
    )
    assert DONE == found.relayed
    assert (None, metering.IMPLAUSIBLE) == (found.reading.usage, found.reading.problem)


def test_whole_events_pass_at_once_and_half_ones_wait() -> None:
    """Stripping may delay no event that is whole."""
    meter = metering.StreamMeter(CHAT, strip_usage_chunk=True)
    one = event(_said("a\\n"))
    assert one == meter.feed(one)
    assert b"" == meter.feed(one[:9])
    assert one == meter.feed(one[9:] + one[:-1])
    assert one[:-1] == meter.finish()


def test_without_stripping_every_byte_passes_at_once() -> None:
    """P9: nothing is held back where nothing is taken out."""
    meter = metering.StreamMeter("openai.responses", strip_usage_chunk=True)
    for part in (b"da", b"ta", b": {"):
        assert part == meter.feed(part)
    assert b"" == meter.finish()


@pytest.mark.parametrize("strip", [True, False])
def test_an_event_without_end_is_relayed_raw_with_usage_unknown(strip: bool) -> None:
    """Memory is bounded by a named limit; the client still gets every byte."""
    piece = b"x" * (1024 * 1024)
    chunks = [event(_said("a", usage=USAGE)), b"data: ", *[piece] * 20, b"\n\n", DONE]
    found = metered(CHAT, chunks, strip=strip)
    assert b"".join(chunks) == found.relayed
    assert (None, metering.UNREADABLE) == (found.reading.usage, found.reading.problem)
    assert sse.EVENT_BYTES_MAX < 20 * len(piece)


def test_message_delta_replaces_only_what_it_tells() -> None:
    """metering.md 4.5: counts are cumulative; null and absent fields keep the last value."""
    start = {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 1, "speed": "fast"}
    later = {"output_tokens": 20, "input_tokens": None, "cache_creation_input_tokens": 6}
    raw = b"".join(
        [
            event({"type": "message_start", "message": {"id": "i", "model": "m", "usage": start}}),
            event({"type": "message_delta", "usage": {"output_tokens": 10}}),
            event({"type": "message_delta", "usage": later}),
            event({"type": "message_delta", "usage": None}),
        ]
    )
    expected = Usage(input=9, cache_read=4, cache_write_5m=6, output=20)
    assert (
        metering.Reading(expected, "m", "fast", "", "i")
        == metered("anthropic.messages", [raw]).reading
    )


@pytest.mark.parametrize("surface", [CHAT, "openai.responses", "anthropic.messages"])
@given(
    chunks=st.lists(
        st.binary(max_size=40)
        | st.sampled_from(
            [b"data: ", b"\n\n", b"\r", b'{"usage":', b'"response"', b"[DONE]", b"{}", b"["]
        )
    ),
    strip=st.booleans(),
)
def test_no_bytes_make_a_meter_fail_or_lose_one(
    surface: str, chunks: list[bytes], strip: bool
) -> None:
    """A provider's garbage reaches the client as it is."""
    found = metered(surface, chunks, strip=strip)
    assert metered(surface, [b"".join(chunks)], strip=strip) == found
    if b"usage" not in b"".join(chunks):
        assert b"".join(chunks) == found.relayed


@given(
    st.binary(max_size=60) | st.text("d:a \r\n{}", max_size=60).map(str.encode),
    st.lists(st.integers(0, 60)),
)
def test_splitting_loses_nothing_and_does_not_depend_on_chunks(
    raw: bytes, places: list[int]
) -> None:
    """Joined pieces are the stream again, and carry the same data however it arrived."""
    splitter = sse.Splitter()
    runs = [splitter.feed(chunk) for chunk in cut_at(raw, places)]
    tail = splitter.drain()
    assert raw == b"".join(runs) + tail
    pieces = sse.events(raw)
    assert raw == b"".join(pieces)
    carried = [sse.data_of(piece) for run in [*runs, tail] for piece in sse.events(run)]
    assert [d for d in map(sse.data_of, pieces) if d] == [d for d in carried if d]


def test_comments_other_fields_and_empty_lines_carry_nothing() -> None:
    """The event stream format: only data lines, one leading space removed, joined by line feeds."""
    raw = b": ping\nevent: x\ndata\ndata:a\ndata:  b\nid: 3\ndatax: no\n\n"
    assert b"\na\n b" == sse.data_of(raw)


EMPTY = {"prompt_tokens": None, "completion_tokens": None}


@pytest.mark.parametrize("later", [{}, EMPTY, {"prompt_tokens": 7}])
def test_a_usage_without_totals_takes_back_none_that_had_them(later: dict[str, Any]) -> None:
    """P1: the last complete usage counts; an empty one at the end is no news."""
    told = {"id": "a", "model": "m", "choices": []}
    usages = [{"prompt_tokens": 5, "completion_tokens": 3}, later]
    chunks = [{**told, "usage": usage} for usage in usages]
    found = metered(CHAT, [*map(event, chunks), DONE])
    assert (Usage(input=5, output=3), "") == (found.reading.usage, found.reading.problem)
