"""Cookies of an installation that people reach over https, as they cross the wire."""

import re
from collections.abc import Iterator

import pytest

from meterr.core.postgres import EmbeddedPostgres
from support.api_house import ApiHouse, email_of, shared_api_house
from support.people import PASSWORD

_PUBLIC = "https://llm.example.com"
_BROWSER = {"host": "llm.example.com", "origin": _PUBLIC, "sec-fetch-site": "same-origin"}
_LITERAL = re.compile(
    r"(__Host-meterr(?:-refresh)?)=([\w.-]+); "
    r"Max-Age=(\d+); Path=/; Secure; HttpOnly; SameSite=Strict"
)


@pytest.fixture
def house(postgres: EmbeddedPostgres) -> Iterator[ApiHouse]:
    """A house behind a proxy that ends TLS."""
    config = f'[server]\npublic_origin = "{_PUBLIC}"\n'
    with shared_api_house(postgres, config, origin=_PUBLIC) as api:
        yield api


def test_they_are_host_cookies_and_under_no_other_name_do_they_count(house: ApiHouse) -> None:
    """S1:179, S1:181: the literals of a running gateway; 5 minutes and an hour, whole seconds."""
    body = {
        "email": email_of("user"),
        "password": PASSWORD.get_secret_value(),
        "deliver": "cookies",
    }
    raw = house.wire_lines("POST", "/api/v1/sign-in/password", body, _BROWSER)
    set_ = [_LITERAL.fullmatch(line) for line in re.findall(r"(?im)^set-cookie: (.*?)\r?$", raw)]
    found = [match.groups() for match in set_ if match is not None]
    assert len(set_) == len(found)
    assert ["__Host-meterr", "__Host-meterr-refresh"] == [name for name, _, _ in found]
    lives = [int(life_s) for _, _, life_s in found]
    assert 290 <= lives[0] <= 300
    assert 3590 <= lives[1] <= 3600
    assert "strict-transport-security: max-age=63072000; includeSubDomains\r\n" in raw

    access = found[0][1]
    for name, status in (("__Host-meterr", 200), ("meterr-dev", 401), ("meterr", 401)):
        headers = {**_BROWSER, "cookie": f"{name}={access}"}
        assert status == house.send("GET", "/api/v1/me", headers=headers).status, name
