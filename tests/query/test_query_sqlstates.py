"""The server's error codes in our words: every word is explained, and none is the server's."""

from pathlib import Path

import psycopg
import pytest

from meterr.query.run.sqlstates import meaning_of

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "query-walls.md"
STATES = sorted(psycopg.errors._sqlcodes)


@pytest.mark.parametrize("state", [*STATES, None, "", "x", "ZZ999"])
def test_every_code_of_the_server_means_something_that_the_page_explains(
    state: str | None,
) -> None:
    """Issue 5: words are API for programs and models that repair a question."""
    meaning = meaning_of(state)
    assert f"`{meaning.reason}`" in PAGE.read_text()
    assert meaning.sentence.endswith(".")
    assert "%" not in meaning.sentence


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("22012", "division-by-zero"),
        ("42501", "not-allowed"),
        ("25006", "not-allowed"),
        ("42P99", "not-valid"),
        ("22999", "bad-value"),
        ("XX000", "failed"),
    ],
)
def test_a_code_means_itself_or_what_its_class_means(state: str, reason: str) -> None:
    """What a later server adds falls to its class."""
    assert reason == meaning_of(state).reason
