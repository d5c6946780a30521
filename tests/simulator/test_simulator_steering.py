"""Each steering field, by name, in every dialect where it means something."""

import gzip
import json
from typing import Any

import openai
import pytest

from meterr import simulator
from support.simulator import Answer, Wire

HELLO: Any = [{"role": "user", "content": "hello there"}]


def chat(wire: Wire, steering: Any, **fields: Any) -> Answer:
    return wire.openai(
        "chat/completions",
        {"model": "m", "messages": HELLO, "metadata": {"simulate": steering}, **fields},
    )


def messages(wire: Wire, steering: Any, **fields: Any) -> Answer:
    body = {"model": "m", "max_tokens": 99, "messages": HELLO, "metadata": {"simulate": steering}}
    return wire.anthropic("messages", {**body, **fields})


class TestWhereSteeringStands:
    def test_it_may_be_an_object_or_a_string_of_json(self, wire: Wire) -> None:
        """Issue item 7: the official SDK types metadata as dict[str, str]."""
        steering = {"text": "steered"}

        for given in (steering, json.dumps(steering), json.dumps(steering, indent=2)):
            answer = chat(wire, given).json()
            assert "steered" == answer["choices"][0]["message"]["content"]

    def test_it_may_stand_at_the_top_through_extra_body(self, openai_sdk: openai.OpenAI) -> None:
        """Embeddings have no metadata in the SDK."""
        usage = {"prompt_tokens": 12, "total_tokens": 12}
        answer = openai_sdk.embeddings.create(
            model="m", input="x", dimensions=2, extra_body={"simulate": {"usage": usage}}
        )

        assert 12 == answer.usage.prompt_tokens

    def test_given_twice_it_is_refused(self, wire: Wire) -> None:
        """One request, one steering."""
        answer = chat(wire, {}, simulate={})

        assert 400 == answer.status

    @pytest.mark.parametrize(
        ("wrong", "nearest"), [("delayms", "delay_ms"), ("cut", "cut_after"), ("Usage", "usage")]
    )
    def test_an_unknown_field_is_refused_with_the_nearest_name(
        self, wire: Wire, wrong: str, nearest: str
    ) -> None:
        """Unknown fields are 400 in each dialect, never ignored."""
        for answer in (chat(wire, {wrong: 1}), messages(wire, {wrong: 1})):
            assert 400 == answer.status
            assert f"did you mean '{nearest}'?" in answer.json()["error"]["message"]

    @pytest.mark.parametrize(
        "steering",
        [
            {"chunks": 0},
            {"chunks": "8"},
            {"delay_ms": -1},
            {"status": 99},
            {"status": 204},
            {"malformed": "xml"},
            {"usage_place": "bottom"},
            {"headers": {"content-length": "5"}},
            {"headers": {"x-a": "b\r\nx-c: d"}},
            {"headers": {"a b": "c"}},
            {"tool_calls": [{"nome": "f"}]},
            "no json",
            7,
            [],
            None,
        ],
    )
    def test_a_wrong_value_is_refused(self, wire: Wire, steering: Any) -> None:
        """400, naming the steering."""
        answer = chat(wire, steering)

        assert 400 == answer.status
        assert answer.json()["error"]["message"].startswith("simulate")


class TestUsage:
    @pytest.mark.parametrize(
        "usage",
        [
            '{"prompt_tokens":10000,"completion_tokens":100,"cached_tokens":8000}',
            '{"prompt_tokens":-5,"completion_tokens":1e999}',
            '{"prompt_tokens":123456789012345678901234567890123456789}',
            '{"prompt_tokens":1,"prompt_tokens":2}',
            '"lots"',
            "[]",
            "0",
        ],
    )
    def test_it_is_put_into_the_answer_as_it_is(self, wire: Wire, usage: str) -> None:
        """Verbatim: numbers that no decoder takes and doubled keys reach the gateway unharmed."""
        body = json.dumps({"model": "m", "messages": HELLO, "simulate": 0, "max_tokens": 1})
        body = body.replace('"simulate": 0', f'"simulate": {{"usage": {usage}}}')

        assert f'"usage":{usage}'.encode() in wire.openai("chat/completions", body.encode()).body
        assert f'"usage":{usage}'.encode() in wire.anthropic("messages", body.encode()).body

    def test_null_leaves_it_out(self, wire: Wire) -> None:
        """A provider that forgets its usage, streamed or not, in each dialect."""
        asked = {"stream": True, "stream_options": {"include_usage": True}}

        assert "usage" not in chat(wire, {"usage": None}).json()
        assert "usage" not in messages(wire, {"usage": None}).json()
        assert [] == [c for c in Wire.events_of(chat(wire, {"usage": None}, **asked)) if c["usage"]]
        assert b'"usage"' not in messages(wire, {"usage": None}, stream=True).body

    @pytest.mark.parametrize(
        ("place", "at_top", "in_choice"),
        [
            ("top", True, False),
            ("choice", False, True),
            ("both", True, True),
            ("none", False, False),
        ],
    )
    def test_usage_place_moves_it_within_a_chat_stream(
        self, wire: Wire, place: str, at_top: bool, in_choice: bool
    ) -> None:
        """metering 4.4: Kimi's places."""
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = Wire.events_of(chat(wire, {"usage": {"x": 1}, "usage_place": place}, **asked))

        assert at_top == any(chunk.get("usage") == {"x": 1} for chunk in chunks)
        assert in_choice == any(
            choice.get("usage") == {"x": 1} for chunk in chunks for choice in chunk["choices"]
        )

    def test_usage_in_the_choice_comes_without_being_asked_for(self, wire: Wire) -> None:
        """metering 4.4: as Kimi does."""
        answer = chat(wire, {"usage": {"x": 1}, "usage_place": "choice"}, stream=True)

        assert {"x": 1} == Wire.events_of(answer)[-1]["choices"][0]["usage"]

    @pytest.mark.parametrize(
        ("place", "at_start", "at_end"),
        [
            ("top", {"output_tokens": 5}, None),
            ("choice", {"input_tokens": 0, "output_tokens": 0}, {"output_tokens": 5}),
            ("both", {"output_tokens": 5}, {"output_tokens": 5}),
            ("none", None, None),
        ],
    )
    def test_usage_place_moves_it_within_a_messages_stream(
        self, wire: Wire, place: str, at_start: Any, at_end: Any
    ) -> None:
        """top is message_start, choice is message_delta."""
        steering = {"usage": {"output_tokens": 5}, "usage_place": place}
        events = Wire.events_of(messages(wire, steering, stream=True))

        assert at_start == events[0]["message"].get("usage")
        assert at_end == events[-2].get("usage")

    def test_responses_report_it_in_the_last_event(self, wire: Wire) -> None:
        """metering 4.3."""
        body = {"model": "m", "input": "x", "stream": True, "simulate": {"usage": {"x": 1}}}

        assert {"x": 1} == Wire.events_of(wire.openai("responses", body))[-1]["response"]["usage"]

    def test_count_tokens_answers_with_it(self, wire: Wire) -> None:
        """The whole body is the count."""
        body = {"model": "m", "messages": HELLO, "simulate": {"usage": {"input_tokens": -1}}}

        assert {"input_tokens": -1} == wire.anthropic("messages/count_tokens", body).json()


class TestContent:
    def test_text_is_sent_whole_whatever_the_limit(self, wire: Wire) -> None:
        """max_tokens bounds only the simulator's own words."""
        answer = messages(wire, {"text": "word " * 50}, max_tokens=1).json()

        assert "word " * 50 == answer["content"][0]["text"]

    def test_chunks_is_the_number_of_text_pieces(self, wire: Wire) -> None:
        """Bench and cut tests count on it."""
        steering = {"text": "é" * 100, "chunks": 50}
        chat_chunks = Wire.events_of(chat(wire, steering, stream=True))
        deltas = [e for e in Wire.events_of(messages(wire, steering, stream=True)) if "delta" in e]

        # Beside the text: the role and the finish in chat, message_delta in messages.
        assert 50 + 2 == len(chat_chunks)
        assert 50 + 1 == len(deltas)

    def test_reasoning_is_reasoning_content_in_chat(self, wire: Wire) -> None:
        """metering 4.4: Kimi's field, whole and streamed."""
        whole = chat(wire, {"reasoning": "hmm", "text": "ok"}).json()
        chunks = Wire.events_of(chat(wire, {"reasoning": "hmm", "chunks": 1}, stream=True))

        assert "hmm" == whole["choices"][0]["message"]["reasoning_content"]
        assert 1 == whole["usage"]["completion_tokens_details"]["reasoning_tokens"]
        assert "hmm" == chunks[1]["choices"][0]["delta"]["reasoning_content"]

    def test_tool_calls_are_made_unasked(self, wire: Wire) -> None:
        """Name and arguments as given, both dialects, several calls."""
        steering = {
            "tool_calls": [
                {"name": "f", "arguments": {"a": 1}},
                {"name": "g", "arguments": '{"b": 2}'},
            ]
        }
        calls = chat(wire, steering).json()["choices"][0]["message"]["tool_calls"]
        blocks = messages(wire, steering).json()["content"]

        assert [("f", '{"a":1}'), ("g", '{"b": 2}')] == [
            (call["function"]["name"], call["function"]["arguments"]) for call in calls
        ]
        assert [("f", {"a": 1}), ("g", {"b": 2})] == [(b["name"], b["input"]) for b in blocks]
        assert 4 == len({call["id"] for call in calls} | {block["id"] for block in blocks})

    def test_broken_arguments_are_sent_as_they_are(self, wire: Wire) -> None:
        """A model may write broken JSON."""
        steering = {"tool_calls": [{"name": "f", "arguments": '{"a":'}]}
        calls = chat(wire, steering).json()["choices"][0]["message"]["tool_calls"]

        assert '{"a":' == calls[0]["function"]["arguments"]

    def test_finish_reason_model_and_tier_are_answered_as_given(self, wire: Wire) -> None:
        """metering 4.3: the answer may name another model and tier than the request."""
        steering = {"finish_reason": "content_filter", "model": "m-2026", "tier": "priority"}
        in_chat, in_messages = chat(wire, steering).json(), messages(wire, steering).json()
        responses = wire.openai("responses", {"model": "m", "input": "x", "simulate": steering})

        assert ["m-2026"] * 3 == [
            answer["model"] for answer in (in_chat, in_messages, responses.json())
        ]
        assert "content_filter" == in_chat["choices"][0]["finish_reason"]
        assert "content_filter" == in_messages["stop_reason"]
        assert "priority" == in_chat["service_tier"] == responses.json()["service_tier"]
        assert "priority" == in_messages["usage"]["service_tier"]


class TestErrors:
    @pytest.mark.parametrize("status", [302, 400, 401, 402, 429, 500, 503, 529])
    def test_status_answers_an_error_in_the_providers_shape(self, wire: Wire, status: int) -> None:
        """Also when a stream was asked for: the stream has not begun."""
        steering = {"status": status, "text": "no way"}
        for stream in (False, True):
            in_chat, in_messages = (
                chat(wire, steering, stream=stream),
                messages(wire, steering, stream=stream),
            )
            assert status == in_chat.status == in_messages.status
            assert "no way" == in_chat.json()["error"]["message"]
            assert "error" == in_messages.json()["type"]

    def test_error_type_replaces_the_usual_one(self, wire: Wire) -> None:
        """Both dialects."""
        steering = {"status": 429, "error_type": "insufficient_quota"}

        assert "insufficient_quota" == chat(wire, steering).json()["error"]["type"]
        assert "insufficient_quota" == messages(wire, steering).json()["error"]["type"]

    def test_error_after_ends_a_stream_with_an_error_event(self, wire: Wire) -> None:
        """console 4.2: after the head, an error is an event; the body ends as it should."""
        steering = {"error_after": 2, "error_type": "overloaded_error"}
        in_chat = chat(wire, steering, stream=True)
        in_messages = messages(wire, steering, stream=True)
        body = {"model": "m", "input": "x", "stream": True, "simulate": steering}
        in_responses = Wire.events_of(wire.openai("responses", body))

        assert 3 == len(Wire.events_of(in_chat))
        assert b"[DONE]" not in in_chat.body
        assert "overloaded_error" == Wire.events_of(in_chat)[-1]["error"]["type"]
        assert b"event: error\n" in in_messages.body
        assert ("error", 2) == (in_responses[-1]["type"], in_responses[-1]["sequence_number"])

    def test_headers_are_added_and_replace_ours(self, wire: Wire) -> None:
        """On errors too: retry-after is what back-off reads."""
        steering = {"status": 429, "headers": {"Retry-After": "7", "X-Request-Id": "mine"}}
        answer = chat(wire, steering)

        assert ("7", "mine") == (answer.headers["retry-after"], answer.headers["x-request-id"])

    def test_malformed_json_is_no_json(self, wire: Wire) -> None:
        """Whole: a broken document. Streamed: a broken event among whole ones."""
        answer = chat(wire, {"malformed": "json"})

        assert "application/json" == answer.headers["content-type"]
        with pytest.raises(json.JSONDecodeError):
            answer.json()
        with pytest.raises(json.JSONDecodeError):
            Wire.events_of(messages(wire, {"malformed": "json"}, stream=True))

    @pytest.mark.parametrize("stream", [False, True])
    def test_malformed_html_is_a_page(self, wire: Wire, stream: bool) -> None:
        """What a load balancer in front of a provider answers; with any status."""
        answer = chat(wire, {"malformed": "html", "status": 502}, stream=stream)

        assert 502 == answer.status
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.body.startswith(b"<!DOCTYPE html>")

    @pytest.mark.parametrize("stream", [False, True])
    def test_malformed_sse_is_garbage_between_events(self, wire: Wire, stream: bool) -> None:
        """Bytes that are no field, no UTF-8 and no JSON."""
        answer = chat(wire, {"malformed": "sse"}, stream=stream)

        assert answer.headers["content-type"].startswith("text/event-stream")
        assert b"garbage: \xff\xfe\n" in answer.body
        assert stream == answer.body.endswith(b"data: [DONE]\n\n")


class TestGzip:
    @pytest.mark.parametrize("stream", [False, True])
    def test_it_compresses_when_the_caller_accepts_it(self, wire: Wire, stream: bool) -> None:
        """console 4.2, 6: gzip answers."""
        body = {
            "model": "m",
            "messages": HELLO,
            "stream": stream,
            "simulate": {"gzip": True, "text": "same"},
        }
        packed = wire.openai("chat/completions", body, {"accept-encoding": "gzip, br"})
        plain = wire.openai("chat/completions", body)

        assert "gzip" == packed.headers["content-encoding"]
        assert "content-encoding" not in plain.headers
        assert len(gzip.decompress(packed.body)) == len(plain.body)
        assert b'"same"' in gzip.decompress(packed.body) or stream


def test_the_reference_page_names_exactly_the_fields_the_code_accepts(
    reference_page: str,
) -> None:
    """docs/reference/simulator.md: documentation that tests check."""
    _, _, section = reference_page.partition("## Steering fields")
    rows = section.partition("\n##")[0].splitlines()
    documented = [row.split("`")[1] for row in rows if row.startswith("| `")]

    assert len(set(documented)) == len(documented)
    assert simulator.FIELDS == set(documented)
