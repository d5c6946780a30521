"""What is read from a request body, what is refused, and the one edit."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meterr.core.errors import Invalid
from meterr.gateway import metering
from meterr.gateway.metering import RequestFacts, inject_include_usage, read_request

CHAT = "openai.chat"
SURFACES = (
    CHAT,
    "openai.embeddings",
    "openai.responses",
    "anthropic.messages",
    "anthropic.count_tokens",
)
READ = ("model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n")
NAMES = st.sampled_from([*READ, "include_usage", "messages", "tools", "x", ""])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 9)
    | st.sampled_from(["model", '"model":1', "é\\u", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OTHERS = st.dictionaries(st.sampled_from(["messages", "tools", "metadata", "x", "yy"]), VALUES)


def _refused(body: bytes, surface: str = CHAT) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read_request(surface, body)
    return caught.value


@pytest.mark.parametrize(
    ("surface", "body", "expected"),
    [
        (CHAT, {}, RequestFacts("m")),
        (CHAT, {"stream": None, "stream_options": None}, RequestFacts("m")),
        (
            CHAT,
            {"stream": True, "stream_options": {"include_usage": True}},
            RequestFacts("m", True, True),
        ),
        (
            CHAT,
            {"max_tokens": 5, "max_completion_tokens": 9, "n": 3},
            RequestFacts("m", max_output_tokens=5, max_completion_tokens=9, n=3),
        ),
        (CHAT, {"service_tier": "flex"}, RequestFacts("m", service_tier="flex")),
        (
            "openai.responses",
            {"stream": True, "max_output_tokens": 7},
            RequestFacts("m", True, max_output_tokens=7),
        ),
        ("openai.responses", {"max_tokens": "theirs"}, RequestFacts("m")),
        ("openai.embeddings", {"input": ["model", {"model": 1}]}, RequestFacts("m")),
        (
            "anthropic.messages",
            {"max_tokens": 7, "speed": "fast"},
            RequestFacts("m", max_output_tokens=7, service_tier="fast"),
        ),
        ("anthropic.count_tokens", {"messages": []}, RequestFacts("m")),
    ],
)
def test_the_facts_of_a_request_are_read(surface: str, body: Any, expected: RequestFacts) -> None:
    """Only what metering needs; unknown fields are the provider's."""
    assert expected == read_request(surface, json.dumps({"model": "m", **body}).encode())


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        (b"", None, "empty"),
        (b" \n", None, "empty"),
        (b"model=m", None, "JSON"),
        (b"[]", None, "object"),
        (b'"m"', None, "object"),
        (b'{"model":"m"} x', None, "JSON"),
        (b'{"model":"m"}{"model":"n"}', None, "JSON"),
        (b'\xef\xbb\xbf{"model":"m"}', None, "byte order mark"),
        (b'{"model":"m","x":NaN}', None, "JSON"),
        (b'{"model":"m","x":-Infinity}', None, "JSON"),
        (b'{"model":"m","x":"\xff"}', None, "UTF-8"),
        (b'{"model":"\xff"}', None, "UTF-8"),
        (b'{"model":"m","x":"\x00"}', None, "JSON"),
        (b'{"model":"m","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", None, "deeply"),
        (b'{"x":' * 10_000 + b"1" + b"}" * 10_000, None, "deeply"),
        (b"{}", "model", "missing"),
        (b'{"model":null}', "model", "missing"),
        (b'{"model":""}', "model", "missing"),
        (b'{"model":7}', "model", "string"),
        (b'{"model":["m"]}', "model", "string"),
        (b'{"model":"' + b"m" * 257 + b'"}', "model", "256"),
        (b'{"model":"m\\u0000"}', "model", "control"),
        (b'{"model":"m\\n"}', "model", "control"),
        (b'{"model":"m\xe2\x80\xae"}', "model", "control"),
        (b'{"model":"m","stream":"true"}', "stream", "true or false"),
        (b'{"model":"m","stream":1}', "stream", "true or false"),
        (b'{"model":"m","stream_options":[]}', "stream_options", "object"),
        (b'{"model":"m","stream_options":{"include_usage":1}}', "stream_options", "object"),
        (b'{"model":"m","max_tokens":-1}', "max_tokens", "whole number"),
        (b'{"model":"m","max_tokens":1.5}', "max_tokens", "whole number"),
        (b'{"model":"m","n":0}', "n", "whole number"),
        (b'{"model":"m","service_tier":1}', "service_tier", "string"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_in_plain_words(body: bytes, param: str | None, word: str) -> None:
    """Issue 2, bad input: each with a clear answer that names the field."""
    error = _refused(body)
    assert (400, param) == (error.status, error.param)
    assert word in error.detail


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","model":"a"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"mod\\u0065l":"a"}',
        b'{"mod\\u0065l":"a","mod\\u0065l":"b"}',
        b'{"model":"a","MODEL":"b"}',
        b'{"model":"a","Model":"b","messages":[{"model":1}]}',
        b'{"model":"a","\\u004dodel":"b"}',
        b'{"model":"a","stream":false,"stream":true}',
        b'{"model":"a","Stream":true}',
        '{"model":"a","\u017ftream":true}'.encode(),
        b'{"model":"a","\\u017ftream":true}',
        '{"model":"a","max_to\u212aens":1}'.encode(),
        b'{"model":"a","max_to\\u212Aens":1}',
        b'{"model":"a","n":1,"n":2}',
        b'{"model":"a","stream_options":{},"stream_options":{"include_usage":true}}',
        b'{"model":"a","stream_options":{"include_usage":false,"include_usage":true}}',
        b'{"model":"a","stream_options":{"include_usage":false,"Include_usage":true}}',
        b'{"model":"a","stream_options":{"includ\\u0065_usage":true}}',
        b'{"model":"a","messages":["model"],"messages":[],"model":"b"}',
        b'{"model":"a","tools":{"model":1},"x":{"model":2},"model":"b"}',
        b'{"model":"a","x":{"model":1},"x":2}',
        b'{"model":"a","x":"' + b"y" * 2**20 + b'","model":"b"}',
    ],
)
def test_a_field_with_two_readings_is_refused(body: bytes) -> None:
    """Issue 2: duplicate keys; the provider might take the other one."""
    assert 400 == _refused(body).status


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"model"}',
        b'{"model":"m","messages":[{"content":"\\"model\\":1, \\u0022model\\u0022"}]}',
        b'{"model":"m","tools":[{"properties":{"model":{},"n":{},"stream":{},"Model":{}}}]}',
        b'{"model":"m","extra":{"model":"x","mod\\u0065l":1}}',
        b'{"model":"m","messages":[{"m\\u006fdel":"\\u0060x\\u0060 \xc5\xbf"}]}',
        b'{"model":"m","metadata":{"n":"1"},"x":1,"x":2}',
        b'{"model":"m","messages":[{"n":1}],"input":"' + b"y" * 2**21 + b'"}',
    ],
)
def test_names_inside_other_fields_are_nobodys_business(body: bytes) -> None:
    """Tools, messages and unknown fields may name what they like."""
    assert read_request(CHAT, body).model in {"m", "model"}


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.booleans())
def test_refusals_agree_with_a_slow_exact_reader(
    pairs: list[tuple[str, Any]], ascii_only: bool
) -> None:
    """Agreement with an oracle that sees every top-level name."""
    members = [("model", "m"), *pairs]
    text = ",".join(
        f"{json.dumps(name, ensure_ascii=ascii_only)}:{json.dumps(value, ensure_ascii=ascii_only)}"
        for name, value in members
    )
    surface = "openai.embeddings"
    names = [name.casefold() for name, _ in members]
    kept = {
        name: sum('"model"' in json.dumps(v) for n, v in members if n == name) for name in names
    }
    assume(all(names.count(name) == 1 or not kept[name] for name in names))
    if names.count("model") > 1:
        assert 400 == _refused(f"{{{text}}}".encode(), surface).status
    else:
        assert "m" == read_request(surface, f"{{{text}}}".encode()).model


@given(st.sampled_from(SURFACES), st.binary(max_size=80))
def test_no_bytes_make_it_fail_otherwise(surface: str, body: bytes) -> None:
    """Whatever comes, the answer is facts or a 400."""
    assert 400 == _refused(body, surface).status


OPTIONS = (
    None,
    "null",
    "{}",
    "{ }",
    '{"include_usage":false}',
    '{ "include_usage" : null, "y":[1] }',
    '{"include_obfuscation":false}',
    '{"y":{"z":{}}}',
)


@given(OTHERS, st.sampled_from(OPTIONS), st.sampled_from(["", " ", "\n\t"]), st.integers(0, 4))
def test_asking_for_usage_changes_that_and_nothing_else(
    others: dict[str, Any], options: str | None, space: str, place: int
) -> None:
    """P8: the declared edit; the rest stays byte for byte."""
    members = [f"{json.dumps(k)}{space}:{space}{json.dumps(v)}" for k, v in others.items()]
    members[:0] = ['"model":"m"', f'"stream"{space}:true']
    if options is not None:
        members.insert(place, f'"stream_options"{space}:{space}{options}')
    body = f"{space}{{{space}{f'{space},{space}'.join(members)}{space}}}{space}".encode()
    edited = inject_include_usage(body, read_request(CHAT, body))
    before, after = json.loads(body), json.loads(edited)
    wanted = (before.get("stream_options") or {}) | {"include_usage": True}
    assert before | {"stream_options": wanted} == after
    assert read_request(CHAT, edited).wants_usage
    assert edited == inject_include_usage(edited, read_request(CHAT, edited))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"null", b'{"include_usage":true}'),
        (b"{}", b'{"include_usage":true}'),
        (b'{ "a":1 }', b'{"include_usage":true, "a":1 }'),
        (b'{"a":[], "include_usage" : false}', b'{"a":[], "include_usage" : true}'),
        (b'{"include_usage":null}', b'{"include_usage":true}'),
        (b'{"a":{"b":"include_usag"}}', b'{"include_usage":true,"a":{"b":"include_usag"}}'),
    ],
)
def test_the_edit_is_made_in_place(options: bytes, expected: bytes) -> None:
    """P8: byte for byte, no re-serialising, and never inside a message that names the option."""
    body = b'{"stream":true, "x":{"stream_options" : %b},\n "stream_options" : %b,"model":"m"} '
    facts = read_request(CHAT, body % (b"{}", options))
    assert body % (b"{}", expected) == inject_include_usage(body % (b"{}", options), facts)


def test_options_are_put_in_front_where_there_are_none() -> None:
    """P8: everything after the first brace stays as it is."""
    body = b' {\n"model":"m","stream":true}'
    expected = b' {"stream_options":{"include_usage":true},\n"model":"m","stream":true}'
    assert expected == inject_include_usage(body, read_request(CHAT, body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m"}',
        b'{"model":"m","stream":false,"stream_options":null}',
        b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
    ],
)
def test_nothing_is_edited_where_nothing_is_missing(body: bytes) -> None:
    """P8: a body that does not stream, or asks already, goes as it came."""
    assert body is inject_include_usage(body, read_request(CHAT, body))


def test_a_place_that_cannot_be_told_is_refused_not_guessed() -> None:
    """The provider must get either the caller's bytes or the declared edit of them."""
    decoys = b",".join([b'{"stream_options":{}}'] * 20)
    body = b'{"model":"m","stream":true,"messages":[' + decoys + b'],"stream_options":{}}'
    with pytest.raises(Invalid) as caught:
        metering.inject_include_usage(body, read_request(CHAT, body))
    assert "stream_options" == caught.value.param
