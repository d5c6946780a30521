"""Named statements: a slip in queries.sql stops the start."""

import pytest

from meterr.core.sql import load_sql, parse


def test_a_file_becomes_its_statements_by_name() -> None:
    """Comments inside a statement stay: PostgreSQL ignores them, and its log shows them."""
    text = "-- About this file.\n\n-- name: one\n-- why\nselect 1;\n\n--  name:  two\nselect 2;\n"

    assert {"one": "-- why\nselect 1;", "two": "select 2;"} == dict(parse(text, "x"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a\nselect 1;\n-- name: a\nselect 2;", "'a' is used twice"),
        ("-- name:\nselect 1;", "'' is no statement name"),
        ("-- name: two words\nselect 1;", "'two words' is no statement name"),
        ("-- name: a\n-- only a comment\n", "'a' holds no statement"),
        ("select 1;\n-- name: a\nselect 2;", "SQL before the first"),
        ("select 1;", "SQL before the first"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(text: str, complaint: str) -> None:
    """STYLE 3: a doubled or empty name stops start-up."""
    with pytest.raises(ValueError, match=f"^room/queries.sql: .*{complaint}"):
        parse(text, "room/queries.sql")


def test_the_result_cannot_be_changed() -> None:
    """It lives as a constant of a store."""
    with pytest.raises(TypeError):
        load_sql("meterr.core")["become_owner"] = "select 1"  # type: ignore[index]  # the point
