"""The pure rules: tokens, pieces, and values for JSON schemas."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from meterr.simulator import tokens
from meterr.simulator.specimen import specimen

texts = st.text(max_size=200)


class TestTokens:
    @pytest.mark.parametrize(
        ("text", "expected"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("éé", 1), ("😀", 1)]
    )
    def test_four_bytes_are_one_token_and_begun_ones_count(self, text: str, expected: int) -> None:
        """The documented rule."""
        assert expected == tokens.count(text)

    @given(texts, texts)
    def test_several_texts_are_read_as_one(self, left: str, right: str) -> None:
        """How a message is split into parts costs nothing."""
        assert tokens.count(left + right) == tokens.count(left, right)

    @given(texts, st.integers(0, 60))
    def test_a_cut_text_is_a_start_within_the_limit(self, text: str, limit: int) -> None:
        """In whole characters."""
        start = tokens.first(text, limit)

        assert text.startswith(start)
        assert tokens.count(start) <= limit

    @given(texts, st.integers(1, 300))
    def test_pieces_join_to_the_text_and_none_is_empty(self, text: str, pieces: int) -> None:
        """As many as asked for, at most one per character."""
        cut = tokens.split(text, pieces)

        assert text == "".join(cut)
        assert min(pieces, len(text)) == len(cut)
        assert all(cut)

    @pytest.mark.parametrize(
        ("node", "expected"),
        [
            ("a", "a"),
            (
                [{"role": "user", "content": "a"}, {"content": [{"text": "b"}, {"text": "c"}]}],
                "abc",
            ),
            ([{"type": "image_url", "image_url": {"url": "data:..."}}], ""),
            ([{"type": "tool_result", "content": [{"type": "text", "text": "a"}]}], "a"),
            ([{"type": "function_call_output", "output": "a"}], "a"),
            (None, ""),
            (5, ""),
        ],
    )
    def test_text_is_found_in_every_shape_of_content(self, node: Any, expected: str) -> None:
        """Strings, parts, tool results; no images, ids or numbers."""
        assert expected == tokens.text_of(node)


class Tree(BaseModel):
    label: str
    children: "list[Tree]"
    parent: "Tree | None"


class TestSpecimens:
    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            ({"type": "string"}, "simulated"),
            ({"type": "string", "minLength": 11, "maxLength": 12}, "simulated.."),
            ({"type": "string", "maxLength": 3}, "sim"),
            ({"type": "string", "format": "date"}, "2026-01-01"),
            ({"type": "integer", "minimum": 3}, 3),
            ({"type": "integer", "exclusiveMinimum": 3}, 4),
            ({"type": "integer", "maximum": -3}, -3),
            ({"type": "integer", "minimum": 4, "multipleOf": 5}, 5),
            ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, 0.75),
            ({"type": "boolean"}, False),
            ({"type": "null"}, None),
            ({"type": ["string", "null"]}, "simulated"),
            ({"enum": ["b", "a"]}, "b"),
            ({"const": 7}, 7),
            ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
            ({"type": "array"}, []),
            ({"type": "array", "minItems": 2, "items": {"type": "boolean"}}, [False, False]),
            (
                {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]},
                {"a": "simulated"},
            ),
            ({"allOf": [{"properties": {"a": {"const": 1}}}, {"required": ["a"]}]}, {"a": 1}),
            ({"$ref": "#/$defs/x~1y", "$defs": {"x/y": {"const": 2}}}, 2),
            ({}, "simulated"),
            (True, "simulated"),
        ],
    )
    def test_the_smallest_fitting_value_is_made(self, schema: Any, expected: Any) -> None:
        """One line for each keyword it knows."""
        assert expected == specimen(schema)

    def test_a_recursive_model_ends_as_soon_as_it_may(self) -> None:
        """Optional parents are null, lists of children empty."""
        made = specimen(TypeAdapter(Tree).json_schema())

        assert Tree(label="simulated", children=[], parent=None) == Tree.model_validate(made)

    @pytest.mark.parametrize(
        "schema",
        [
            {"$ref": "#"},
            {
                "$ref": "#/$defs/a",
                "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
            },
            {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
            {"type": "array", "minItems": 10**12},
            {"type": "array", "minItems": 99, "items": {"type": "array", "minItems": 10**6}},
        ],
        ids=["itself", "ring", "required", "huge", "nested"],
    )
    def test_a_schema_without_a_reasonable_value_gives_an_empty_object(self, schema: Any) -> None:
        """Bounded work, whatever the schema asks for."""
        assert specimen(schema) == {}
