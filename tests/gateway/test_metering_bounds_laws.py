"""Laws of the bounds: never below a slow count, and nothing unknown ever makes them smaller."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from bounds_samples import (
    BOUND,
    CHAT,
    EVERYDAY,
    MESSAGES,
    PLACE,
    RESPONSES,
    WINDOW,
    bounds_of_body,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from meterr.core.errors import Invalid
from meterr.gateway.metering.bounds import TOOLS_TOKENS, Bounds
from meterr.gateway.metering.bounds.attachments import IMAGE_TOKENS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
# What stands in these is text to a provider, whatever its names are.
OPAQUE = frozenset(
    {
        *("annotations", "arguments", "cache_control", "function_call", "input_schema", "metadata"),
        *("output_config", "parameters", "response_format", "stream_options", "format"),
        *("chat_template_kwargs", "guided_json", "logit_bias", "keep", "include", "stop"),
        *("stop_sequences",),
    }
)
PACKED = "iVBORw0KGgo=" * 20
DATA_URL = f"data:image/png;base64,{PACKED}"
IMAGES = {
    CHAT: {"type": "image_url", "image_url": {"url": DATA_URL}},
    RESPONSES: {"type": "input_image", "image_url": DATA_URL},
    MESSAGES: {"type": "image", "source": {"type": "base64", "data": PACKED}},
}
FILES = {
    CHAT: {"type": "file", "file": {"file_data": PACKED}},
    RESPONSES: {"type": "input_file", "file_data": PACKED},
    MESSAGES: {"type": "document", "source": {"type": "base64", "data": PACKED}},
}
SOUND = {"type": "input_audio", "input_audio": {"data": PACKED, "format": "wav"}}
UNKNOWN = "a-type-that-is-longer-than-any-known-one-"
TEXT = {CHAT: "text", RESPONSES: "input_text", MESSAGES: "text"}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Return a request of known parts: an everyday one, and what a user says after it."""
    surface, everyday = draw(st.sampled_from([each for each in EVERYDAY if each[0] in TEXT]))
    fields = copy.deepcopy(everyday)
    parts: list[Any] = [{"type": TEXT[surface], "text": text} for text in draw(st.lists(TEXTS))]
    parts += [IMAGES[surface]] * draw(st.integers(0, 3))
    parts += [FILES[surface]] * draw(st.integers(0, 1))
    if surface == CHAT:
        parts += [SOUND] * draw(st.integers(0, 2))
    if parts and surface == MESSAGES and draw(st.booleans()):
        parts = [{"type": "tool_result", "tool_use_id": "t", "content": parts}]
    said = parts or draw(TEXTS)
    fields[PLACE[surface]].append({"role": "user", "content": copy.deepcopy(said)})
    for name in draw(st.sets(st.sampled_from(sorted(fields.keys() - {"model", PLACE[surface]})))):
        del fields[name]
    return surface, {BOUND[surface]: draw(st.integers(1, 9_000)), **fields}


def bounds(surface: str, fields: dict[str, Any], window: int | None = WINDOW) -> Bounds:
    return bounds_of_body(surface, json.dumps(fields).encode(), window=window)


def slow_count(here: Any) -> tuple[int, int, bool]:
    """Return tokens of text, tokens of pictures, and whether there is a file or sound."""
    if isinstance(here, str):
        return len(here.encode()), 0, False
    if isinstance(here, dict):
        if here in IMAGES.values():
            return 0, IMAGE_TOKENS, False
        if here == SOUND or here in FILES.values():
            return 0, 0, True
        here = [*here.keys(), *here.values()]
    counts = [slow_count(each) for each in here] if isinstance(here, list) else []
    return sum(c[0] for c in counts), sum(c[1] for c in counts), any(c[2] for c in counts)


@given(requests(), st.sampled_from([None, 1_000, WINDOW]))
def test_no_bound_is_below_a_slow_count(request: tuple[str, Any], window: int | None) -> None:
    """P3: text by its bytes, pictures by their number, a file or sound by the whole window."""
    surface, fields = request
    found = bounds(surface, fields, window).input_tokens
    text, beside, has_file = slow_count(fields)
    if has_file and window is None:
        assert found is None
        return
    beside = window or 0 if has_file else beside if window is None else min(beside, window)
    explained = fields.keys() & {"tools", "response_format", "text", "output_config"}
    assert found is not None
    assert found >= text + beside + (TOOLS_TOKENS if explained else 0)


def places(here: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a request that is not text to its provider anyway."""
    if isinstance(here, list):
        for each in here:
            yield from places(each)
    elif isinstance(here, dict):
        yield here
        for name, each in here.items():
            # The arguments of a call are an object on one surface, and its schema on another.
            is_call = name == "input" and here.get("type") == "tool_use"
            is_earlier_call = name == "function" and "arguments" in each
            if name not in OPAQUE and not is_call and not is_earlier_call:
                yield from places(each)


def assert_dearer(surface: str, fields: dict[str, Any], before: Bounds) -> None:
    after = bounds(surface, fields)
    if after.input_tokens is not None:
        assert before.input_tokens is not None
        assert after.input_tokens >= before.input_tokens
        assert after.input_tokens > WINDOW
    assert (after.output_tokens or WINDOW) >= (before.output_tokens or WINDOW)
    assert before.classes <= after.classes or after.unseen
    assert bounds(surface, fields, None).input_tokens is None


@given(requests(), st.data(), TEXTS, ANY_JSON)
def test_an_unknown_field_anywhere_takes_at_least_the_window(
    request: tuple[str, Any], data: st.DataObject, name: str, value: Any
) -> None:
    """P3: whatever it holds; and nothing that it stands beside becomes cheaper by it."""
    assume(value is not None)
    surface, fields = request
    before = bounds(surface, fields)
    place = data.draw(st.sampled_from(list(places(fields))))
    place[f"x-{name}"] = value
    assert_dearer(surface, fields, before)


@given(requests(), st.data(), TEXTS)
def test_an_unknown_type_anywhere_takes_at_least_the_window(
    request: tuple[str, Any], data: st.DataObject, name: str
) -> None:
    """P3: a part, an item or a tool of a type that nobody here knows may be anything."""
    surface, fields = request
    before = bounds(surface, fields)
    typed = [each for each in places(fields) if "type" in each and each is not fields.get("text")]
    typed = [each for each in typed if each is not fields.get("thinking")]
    assume(typed)
    data.draw(st.sampled_from(typed))["type"] = f"{UNKNOWN}{name}"
    assert_dearer(surface, fields, before)


@given(requests(), st.data())
def test_a_field_said_again_never_lowers_a_bound(
    request: tuple[str, Any], data: st.DataObject
) -> None:
    """P3: of two readings the dearer counts, or the body is refused on the way in."""
    surface, fields = request
    name = data.draw(st.sampled_from(sorted(fields.keys() - {"model"})))
    before = bounds(surface, fields)
    body = json.dumps(fields)
    again = f'"{name}": ' + data.draw(st.sampled_from(["null", "[]", "{}", '""', "0"]))
    first = data.draw(st.booleans())
    twice = f"{{{again}, {body[1:]}" if first else f"{body[:-1]}, {again}}}"
    try:
        after = bounds_of_body(surface, twice.encode())
    except Invalid:
        return
    assert after.input_tokens is None or after.input_tokens >= (before.input_tokens or 0)
    assert (after.output_tokens or WINDOW) >= (before.output_tokens or WINDOW)
