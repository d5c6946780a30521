"""The canonical line: one for each call, under the name of its route, and nothing secret in any."""

import json
from collections import Counter
from typing import Any

from support.api_house import ApiHouse
from support.api_routes import described
from support.conversation import BODIES
from support.people import PASSWORD

_PROBE = "?probe=1"


def lines_of(api: ApiHouse, asked: set[str]) -> list[dict[str, Any]]:
    """Return the lines of these requests, once each of them has one."""

    def found() -> list[dict[str, Any]]:
        told = [json.loads(line) for line in api.house.meterr.lines if '"request_id"' in line]
        return [line for line in told if line["request_id"] in asked]

    api.house.until(lambda: {line["request_id"] for line in found()} == asked, 20)
    return found()


def test_every_call_leaves_one_line_and_no_secret(api: ApiHouse) -> None:
    """Issue 4, item 10, P6: all routes, let in and refused; who asked is an id, never a key."""
    own, key, token = api.tenants["own"], api.house.key, api.token("admin")
    password = PASSWORD.get_secret_value()
    secrets = {"password": password, "token": key, "code": token}
    expected: dict[str, tuple[str, str, int, bool]] = {}
    for route in described(api):
        path = f"{route.path(own)}{_PROBE}&key={key}&token={token}"
        for who in ("admin", None):
            headers = {**route.headers(own), "user-agent": f"{key} {token}", "x-forwarded-for": key}
            if route.key_scope is None:  # else it would let in whoever is nobody
                headers["x-api-key"] = key
            body = secrets if route.is_unsafe else None
            answer = api.send(route.method, path, body, headers, who=who)
            is_known = who is not None and not route.is_open
            request_id = answer.headers["x-meterr-request-id"]
            said = (route.method, route.said["operationId"], answer.status, is_known)
            expected[request_id] = said
    for path, body in BODIES.items():
        headers = {"authorization": f"Bearer {key}", "cookie": f"meterr-dev={token}"}
        for sent in (headers, {**headers, "authorization": f"Bearer {key[:-1]}"}):
            answer = api.send("POST", f"{path}?key={key}", body, sent)
            request_id = answer.headers["x-meterr-request-id"]
            expected[request_id] = ("POST", "", answer.status, False)

    lines = lines_of(api, set(expected))
    assert {1} == set(Counter(line["request_id"] for line in lines).values())
    for line in lines:
        method, route, status, is_known = expected[line["request_id"]]
        assert (method, status) == (line["method"], line["status"])
        assert route in ("", line["route"])
        assert line["route"]
        assert is_known == ("user_id" in line), line
    everything = "\n".join(api.house.meterr.lines)
    for secret in (key, key[15:-6], token, token.rpartition(".")[2], password):
        assert secret not in everything
