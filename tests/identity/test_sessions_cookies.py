"""Cookies: the literal headers, and what is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from meterr.identity.sessions import Cookies, CookiesRefused, Grant
from meterr.identity.sessions.cookies import OriginRefused

NOW_MS = 1_800_000_000_000
GRANT = Grant(
    session_id="0199aaaa-0000-7000-8000-000000000002",
    user_id="0199aaaa-0000-7000-8000-000000000001",
    access=SecretStr("aaa.bbb.ccc"),
    refresh=SecretStr("rrr"),
    access_ends_at_ms=NOW_MS + 300_000,
    refresh_ends_at_ms=NOW_MS + 3_600_000,
)
COOKIES = Cookies.of("https://meterr.example.com")
BOTH = "__Host-meterr=aaa.bbb.ccc; __Host-meterr-refresh=rrr"


def test_a_grant_is_these_two_headers() -> None:
    """S1:181, row 34: 3600000 was 41.7 days; S1:179, row 35: Secure, Path and __Host- always."""
    assert (
        "__Host-meterr=aaa.bbb.ccc; Max-Age=300; Path=/; Secure; HttpOnly; SameSite=Strict",
        "__Host-meterr-refresh=rrr; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Strict",
    ) == COOKIES.set(GRANT, NOW_MS)


def test_signing_out_is_these_two_headers() -> None:
    """Same attributes: a browser removes only what it would have set."""
    assert (
        "__Host-meterr=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict",
        "__Host-meterr-refresh=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict",
    ) == COOKIES.clear()


def test_development_on_loopback_has_other_names_and_no_secure() -> None:
    """Row 35: browsers refuse the prefix there, and the two kinds never meet."""
    local = Cookies.of("http://localhost:8080")
    assert (
        "meterr-dev=aaa.bbb.ccc; Max-Age=300; Path=/; HttpOnly; SameSite=Strict",
        "meterr-dev-refresh=rrr; Max-Age=3600; Path=/; HttpOnly; SameSite=Strict",
    ) == local.set(GRANT, NOW_MS)
    assert local == Cookies.of("http://127.0.0.1:9") == Cookies.of("http://[::1]:8080")
    assert local.read([BOTH]).access is None
    assert COOKIES.read(["meterr-dev=aaa.bbb.ccc"]).access is None
    assert Cookies.of("https://localhost").secure


@pytest.mark.parametrize(
    "origin",
    [
        "http://meterr.example.com",
        "http://10.0.0.5",
        "http://0.0.0.0:8080",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "ftp://localhost",
        "https://",
        "",
    ],
)
def test_no_cookie_travels_in_clear(origin: str) -> None:
    """Row 35: staging without https is refused at start, not served in clear."""
    with pytest.raises(OriginRefused):
        Cookies.of(origin)


def test_what_was_set_is_read() -> None:
    """In either order, beside cookies of others, over several headers, without either."""
    for headers in (
        [BOTH],
        ["__Host-meterr-refresh=rrr;__Host-meterr=aaa.bbb.ccc"],
        ["theme=dark; " + BOTH + "; theme=light"],
        BOTH.split("; "),
        ["a=b; a=b", BOTH, ";;;"],
    ):
        found = COOKIES.read(headers)
        assert (GRANT.access, GRANT.refresh) == (found.access, found.refresh)
    assert COOKIES.read([]) == COOKIES.read(["", "x"])
    assert COOKIES.read(["__Host-meterr=aaa"]).refresh is None
    assert COOKIES.read(["__host-meterr=aaa; x__Host-meterr=b"]).access is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (["__Host-meterr=aaa; __Host-meterr=bbb"], "doubled"),
        (["__Host-meterr=aaa; __Host-meterr=aaa"], "doubled"),
        (["__Host-meterr=aaa", "__Host-meterr=bbb"], "doubled"),
        (["__Host-meterr-refresh=a; x=y; __Host-meterr-refresh=b"], "doubled"),
        (["__Host-meterr=aaa;\t__Host-meterr =bbb"], "doubled"),
        (["__Host-meterr="], "damaged"),
        (["__Host-meterr"], "damaged"),
        (['__Host-meterr="aaa"'], "damaged"),
        (["__Host-meterr=aa a"], "damaged"),
        (["__Host-meterr=aaa=bbb"], "damaged"),
        (["__Host-meterr=aaa,bbb"], "damaged"),
        (["__Host-meterr=aaa\r\nSet-Cookie: x"], "damaged"),
        (["__Host-meterr=aaä"], "damaged"),
        (["__Host-meterr=" + "a" * 1025], "damaged"),
        (["x=" + "a" * 20_000], "too_long"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(headers: list[str], reason: str) -> None:
    """A second cookie of the name was set by somebody else: which one counts is not guessed."""
    with pytest.raises(CookiesRefused) as refused:
        COOKIES.read(headers)
    assert (400, reason) == (refused.value.status, refused.value.reason)


@given(st.lists(st.text(max_size=60), max_size=5))
def test_no_header_raises_anything_else(headers: list[str]) -> None:
    """Whatever a browser or a stranger sends."""
    try:
        found = COOKIES.read(headers)
    except CookiesRefused:
        return
    assert found.access is None or "__Host-meterr=" in "".join(headers)


def test_nothing_of_a_token_is_shown() -> None:
    """P6: not in a repr of what was sent, nor of a grant."""
    assert "aaa.bbb" not in f"{COOKIES.read([BOTH])!r} {GRANT!r}"
