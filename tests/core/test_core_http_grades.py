"""Grades: what MDN's Observatory says of our answers by its own table, and csp-evaluator itself."""

import json
from collections.abc import Iterator

import pytest

from meterr.core.http.answer_head import Audience, protections
from support.node import run_node
from support.observatory import grade
from support.small_door import API, PAGE, SDK, STREAM, SmallDoor, open_door

PUBLIC = "https://llm.example.com"
BAR = 130
# The snippet of the seed, as it would be sent: what it gets is the measure of what we do.
SEED = [
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-xss-protection", "1; mode=block"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    (
        "content-security-policy",
        "default-src 'self'; script-src 'self' 'unsafe-inline'; connect-src 'self' https:",
    ),
]


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door(public_origin=PUBLIC, cors_origins=("https://app.example.com",)) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", API), ("GET", PAGE), ("GET", STREAM), ("POST", SDK), ("GET", "/nothing")],
)
def test_every_answer_is_graded_a_plus(door: SmallDoor, method: str, path: str) -> None:
    """S1:267: B+ (80) there; A+ and at least 130 here, for data, pages, streams and errors."""
    origin = {"origin": "https://app.example.com"}
    found = grade(door.ask(method, path).fields, with_origin=door.ask(method, path, origin).fields)
    assert "A+" == found.letter
    assert found.score >= BAR, found.parts


def test_a_session_cookie_of_ours_costs_no_point() -> None:
    """S1:179: the literal that pages will set leaves the grade where it is, and adds to it."""
    told = [*protections(Audience.BROWSERS, hsts=True).items()]
    cookie = "__Host-meterr=x; Path=/; Secure; HttpOnly; SameSite=Strict"
    assert grade([*told, ("set-cookie", cookie)]).score == grade(told).score + 5
    assert grade([*told, ("set-cookie", "session=x; Path=/")]).score < BAR


def findings(*policies: str) -> list[list[list[str]]]:
    """Return what csp-evaluator finds in each policy, worst first."""
    found: list[list[list[str]]] = json.loads(run_node("csp_findings.mjs", json.dumps(policies)))
    return found


def test_csp_evaluator_finds_nothing_high_medium_or_misspelt() -> None:
    """S1:267: 'unsafe-inline' is HIGH there. 'self' alone is "maybe": we host nobody's files."""
    policies = [protections(audience)["content-security-policy"] for audience in Audience]
    expected = [
        [["MEDIUM_MAYBE", "'self'"]] if audience is Audience.BROWSERS else []
        for audience in Audience
    ]
    assert expected == findings(*policies)


def test_the_graders_tell_good_from_bad() -> None:
    """S1:254-287: the seed's own headers get what the real tools gave them."""
    found = grade(SEED)
    assert (80, "B+", -20) == (found.score, found.letter, found.parts["content-security-policy"])
    assert 30 == grade([]).score
    misspelt = "default-src 'none'; script-scr 'self'"
    seeds, misread = findings(dict(SEED)["content-security-policy"], misspelt)
    assert ["HIGH", "'unsafe-inline'"] == seeds[0]
    assert [["SYNTAX", "script-scr"]] == misread


def test_the_policy_of_data_allows_nothing_and_that_of_pages_only_ourselves() -> None:
    """S1:265-275: img-src and connect-src https: leak to any host; here no host is named at all."""
    data = protections(Audience.PROGRAMS)["content-security-policy"]
    assert "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" == data
    page = protections(Audience.BROWSERS)["content-security-policy"].split("; ")
    assert "require-trusted-types-for 'script'" in page
    assert "trusted-types 'none'" in page
    assert {"'none'", "'self'", "'script'"} == {part.split(" ")[1] for part in page}
    names = {part.split(" ")[0] for part in page}
    assert {"base-uri", "form-action", "frame-ancestors", "default-src"} < names
