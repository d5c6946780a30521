"""CORS: exact origins, none by default, never with credentials."""

from collections.abc import Iterator
from itertools import product

import pytest
from pydantic import ValidationError

from meterr.core.http.origin import parsed_origin
from meterr.core.http.settings import ServerSettings
from support.small_door import API, PAGE, SDK, SDK_TREE, SESSION, STREAM, SmallDoor, open_door

APP, CONSOLE = "https://app.example.com", "http://localhost:5173"
ALLOWED = (APP, CONSOLE)
ACAO, ACAC = "access-control-allow-origin", "access-control-allow-credentials"


def variants(origin: str) -> set[str]:
    """Return origins that look like ``origin`` and are none."""
    scheme, _, host = origin.partition("://")
    other = "http" if scheme == "https" else "https"
    bare, _, port = host.partition(":")
    return {
        "null",
        "",
        "*",
        f"{other}://{host}",
        f"{scheme}://{host}.evil.example",
        f"{scheme}://evil{host}",
        f"{scheme}://evil.{host}",
        f"{scheme}://{host}/",
        f"{scheme}://{host}.",
        f"{scheme}://{host.upper()}",
        f"{scheme.upper()}://{host}",
        f"{scheme}://{bare}:{(int(port) if port else 443) + 1}",
        f"{scheme}://{bare}:0{port or 443}",
        *([f"{scheme}://{bare}"] if port else [f"{scheme}://{host}:443"]),
        f"{scheme}://user@{host}",
        f"{scheme}://{host}@evil.example",
        f"{origin} {origin}",
        f"{origin}, https://evil.example",
        f"{scheme}:{host}",
        host,
    }


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door(cors_origins=ALLOWED) as running:
        yield running


@pytest.fixture(scope="module")
def shut() -> Iterator[SmallDoor]:
    with open_door() as running:
        yield running


SHARED = [("POST", SDK), ("GET", SDK_TREE + "a"), ("GET", API), ("GET", STREAM)]
SHARED += [("GET", "/v1/nothing"), ("GET", "/nothing"), ("DELETE", SDK)]
OWN = [("GET", SESSION), ("GET", PAGE)]


@pytest.mark.parametrize(("method", "path"), SHARED)
def test_only_an_exact_origin_is_answered_and_vary_is_always_there(
    door: SmallDoor, method: str, path: str
) -> None:
    """S1:278: two origins in one header there, `*` by default; here one exact origin, with Vary."""
    for origin in ALLOWED:
        answer = door.ask(method, path, {"origin": origin})
        assert (origin, "Origin") == (answer.one(ACAO), answer.one("vary"))
        assert "x-request-id" in answer.one("access-control-expose-headers")
        assert [] == answer.all(ACAC)
        for other in variants(origin) - set(ALLOWED):
            answer = door.ask(method, path, {"origin": other})
            assert ([], ["Origin"]) == (answer.all(ACAO), answer.all("vary")), other
    assert "Origin" == door.ask(method, path).one("vary")


@pytest.mark.parametrize(("method", "path"), OWN)
def test_what_a_cookie_opens_is_shared_with_nobody(door: SmallDoor, method: str, path: str) -> None:
    """S1:278: no credentials with any origin, exact ones neither: such routes have no CORS."""
    for origin in ALLOWED:
        answer = door.ask(method, path, {"origin": origin})
        assert ([], []) == (answer.all(ACAO), answer.all(ACAC))


@pytest.mark.parametrize(
    ("path", "methods", "fields"),
    [
        (SDK, "POST", "x-api-key"),
        (API, "DELETE, GET, HEAD, PATCH, POST, PUT", "authorization, content-type"),
    ],
)
def test_a_preflight_is_answered_from_the_route_table(
    door: SmallDoor, path: str, methods: str, fields: str
) -> None:
    """S1:280: PATCH and x-api-key were missing there; here nobody writes the list by hand."""
    asked = {"origin": APP, "access-control-request-method": "POST"}
    before = len(door.seen)
    answer = door.ask("OPTIONS", path, asked)
    assert (204, b"", APP) == (answer.status, answer.body, answer.one(ACAO))
    assert methods == answer.one("access-control-allow-methods")
    assert fields == answer.one("access-control-allow-headers")
    assert ("Origin", "600") == (answer.one("vary"), answer.one("access-control-max-age"))
    assert [] == answer.all("content-length")
    assert before == len(door.seen)


def test_a_preflight_of_any_other_origin_is_403(door: SmallDoor) -> None:
    """A clear answer for whoever looks into the browser's console."""
    for origin in variants(APP) - set(ALLOWED):
        asked = {"origin": origin, "access-control-request-method": "POST"}
        answer = door.ask("OPTIONS", SDK, asked)
        assert (403, [], ["Origin"]) == (answer.status, answer.all(ACAO), answer.all("vary"))
        assert "origin-not-allowed" == answer.json()["code"]


def test_a_preflight_without_any_allowed_origin_is_an_unknown_method(shut: SmallDoor) -> None:
    """Off by default: nothing answers, nothing varies."""
    asked = {"origin": APP, "access-control-request-method": "POST"}
    answer = shut.ask("OPTIONS", SDK, asked)
    assert (405, [], []) == (answer.status, answer.all(ACAO), answer.all("vary"))
    for method, path in SHARED + OWN:
        assert [] == shut.ask(method, path, {"origin": APP}).all(ACAO)


def test_a_preflight_of_a_route_with_cookies_opens_nothing(door: SmallDoor) -> None:
    """Its own handler may answer OPTIONS; no answer of it names an origin."""
    asked = {"origin": APP, "access-control-request-method": "POST"}
    assert [] == door.ask("OPTIONS", SESSION, asked).all(ACAO)
    assert (405, []) == ((answer := door.ask("OPTIONS", PAGE, asked)).status, answer.all(ACAO))


REFUSED = {
    "*": "patterns",
    "https://*.example.com": "patterns",
    "null": "sandboxed",
    "https://app.example.com/": "no origin",
    "https://app.example.com/x": "no origin",
    "https://app.example.com?x": "no origin",
    "https://app.example.com#x": "no origin",
    "https://me:secret@app.example.com": "user name",
    "ftp://app.example.com": "no origin",
    "file://": "no origin",
    "chrome-extension://abcdef": "no origin",
    "app.example.com": "no origin",
    "HTTPS://app.example.com": "lower case",
    "https://App.example.com": "lower case",
    "https://app.example.com:443": "usual port",
    "http://app.example.com:80": "usual port",
    "https://app.example.com:99999": "65535",
    "https://app.example.com:0": "no origin",
    "https://app.example.com.": "no origin",
    "https://app..example.com": "no origin",
    "https://bücher.example": "no origin",
    "https://a, https://b": "no origin",
    "https://[::0001]": "browsers write",
    "https://[::x]": "no origin",
    "": "no origin",
    " https://app.example.com": "no origin",
    "https://app.example.com\n": "no origin",
}


@pytest.mark.parametrize(("text", "word"), REFUSED.items(), ids=lambda text: repr(text)[:40])
@pytest.mark.parametrize("setting", ["cors_origins", "public_origin"])
def test_the_settings_refuse_what_is_no_exact_origin(setting: str, text: str, word: str) -> None:
    """S1:278: `*` is refused at start, with the way out, and a password in it is not repeated."""
    value = (APP, text) if setting == "cors_origins" else text
    with pytest.raises(ValidationError, match=word) as refused:
        ServerSettings.model_validate({setting: value})
    assert "secret" not in refused.value.errors(include_input=False)[0]["msg"]


@pytest.mark.parametrize(
    "text",
    [APP, CONSOLE, "https://a", "http://127.0.0.1:8080", "https://[2001:db8::1]:8443"],
)
def test_an_origin_as_a_browser_sends_it_is_taken_as_it_is(text: str) -> None:
    """One spelling is enough: the browser's."""
    assert text == parsed_origin(text).text


def test_no_pair_of_settings_allows_credentials_anywhere(door: SmallDoor) -> None:
    """S1:278: `*` with credentials reflects any origin elsewhere; here it does not exist."""
    for (method, path), origin in product(SHARED + OWN, [*ALLOWED, "null"]):
        assert [] == door.ask(method, path, {"origin": origin, "cookie": "a=b"}).all(ACAC)
