"""What bodies and queries may hold: every route that takes one, generated from the document."""

import json
from collections.abc import Iterator
from typing import Any

from api_oracle import BODIES, MAY

from support.api_house import ApiHouse, told
from support.api_routes import Described, described

# Values that no field of that type has, by the type of the sample.
_WRONG: dict[type, tuple[Any, ...]] = {
    str: (1, True, ["x"], {"x": 1}),
    int: ("1", 1.5, True, [1]),
    bool: ("true", 1, None),
    list: ("x", {"0": "x"}, [1]),
    dict: ("x", [1], 7),
}


SECRETS = frozenset(
    {"password", "code", "challenge", "token", "refresh_token", "current", "new", "secret"}
)


def sender(route: Described) -> str | None:
    if route.is_open:
        return None
    return "admin" if "admin" in MAY[route.name] else "super-admin"


def with_body(api: ApiHouse) -> Iterator[Described]:
    for route in described(api):
        if "requestBody" in route.said:
            yield route


def refused(api: ApiHouse, route: Described, body: Any, **headers: str) -> tuple[int, Any]:
    path = route.path(api.tenants["own"])
    answer = api.send(route.method, path, body, headers, who=sender(route))
    return answer.status, told(answer)


_ELSEWHERE = {"deliver", "question", "clarified"}
"""Fields that do not go with a sample: how a code is handed out, the other way to ask."""


class TestBodies:
    def test_the_samples_are_those_of_the_routes(self, api: ApiHouse) -> None:
        """Issue 4: generated from the routes; a route with a body has a sample of every field."""
        assert set(BODIES) == {route.name for route in with_body(api)}
        schemas = told(api.send("GET", "/api/v1/openapi.json"))["components"]["schemas"]
        for route in with_body(api):
            schema = route.said["requestBody"]["content"]["application/json"]["schema"]
            fields = set(schemas[schema["$ref"].rpartition("/")[2]]["properties"])
            assert set(BODIES[route.name]) <= fields
            assert fields - set(BODIES[route.name]) <= _ELSEWHERE, route.name

    def test_an_unknown_field_is_refused_by_name(self, api: ApiHouse) -> None:
        """CVE-2026-47102: nothing is taken over that the document does not name."""
        for route in with_body(api):
            for surprise in ("role", "user_role", "tenant_id", "is_admin", "surprise"):
                if surprise in BODIES[route.name]:
                    continue
                body = {**BODIES[route.name], surprise: "admin"}
                status, problem = refused(api, route, body)
                assert (400, surprise) == (status, problem.get("param")), route.name

    def test_a_value_of_another_type_is_refused_by_field(self, api: ApiHouse) -> None:
        """Issue 4.1: strict models; a number is no text, a text no number, one is not true."""
        for route in with_body(api):
            for field, sample in BODIES[route.name].items():
                for wrong in _WRONG[type(sample)]:
                    status, problem = refused(api, route, {**BODIES[route.name], field: wrong})
                    assert 400 == status, (route.name, field, wrong)
                    assert problem["param"].partition(".")[0] == field, (route.name, field, wrong)

    def test_what_is_no_json_document_is_refused(self, api: ApiHouse) -> None:
        """Issue 4.8: malformed, ambiguous, too deep, too large, of another type: each a problem."""
        deep = b"[" * 40 + b"]" * 40
        for route in with_body(api):
            sample = json.dumps(BODIES[route.name]).encode()
            twice = b'{"a":1,"a":2}'
            for body in (
                b"{",
                b"\xff",
                b"[]",
                b"null",
                b"1",
                deep,
                twice,
                b'{"a":NaN}',
                b'"\\u0000"',
            ):
                status, problem = refused(api, route, body)
                assert (400, "invalid-request") == (status, problem["code"]), (route.name, body)
            for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
                status, _ = refused(api, route, sample, **{"content-type": kind})
                assert 415 == status, (route.name, kind)
            assert 413 == refused(api, route, b'"' + b"x" * 1024 * 1024 + b'"')[0]

    def test_a_strangers_document_is_small(self, api: ApiHouse) -> None:
        """Issue 4.8: who has shown nothing yet makes nobody else wait; reports have a signature."""
        for route in with_body(api):
            size = 64 * 1024
            status, _ = refused(api, route, b'"' + b"x" * (size - 2) + b'"')
            assert 400 == status, route.name
            status, _ = refused(api, route, b'"' + b"x" * (size - 1) + b'"')
            assert (413 if route.is_open else 400) == status, route.name

    def test_a_document_of_many_things_is_refused(self, api: ApiHouse) -> None:
        """Issue 4.8: a mebibyte of empty objects held up every call for half a second."""
        for route in with_body(api):
            status, problem = refused(api, route, b'{"x":[' + b"{}," * 15_000 + b"1]}")
            assert (400, None) == (status, problem.get("param")), route.name
            assert "20000" in problem["detail"], route.name

    def test_a_text_without_end_is_refused_by_field(self, api: ApiHouse) -> None:
        """Issue 4.8: named limits; every text of every body has one."""
        for route in with_body(api):
            for field, sample in BODIES[route.name].items():
                if isinstance(sample, str) and field != "expires_at":
                    status, problem = refused(
                        api, route, {**BODIES[route.name], field: "x" * 20_000}
                    )
                    assert (400, field) == (status, problem.get("param")), route.name

    def test_no_refusal_repeats_a_secret(self, api: ApiHouse) -> None:
        """Issue 4.8: what was typed into a secret's field comes back in no answer."""
        canary, tried = "canary-3f9a1c77", 0
        for route in with_body(api):
            for field in SECRETS & set(BODIES[route.name]):
                for value in (canary, [canary], {canary: canary}, canary * 4000):
                    path = route.path(api.tenants["own"])
                    body = {**BODIES[route.name], field: value}
                    elsewhere = {"x-forwarded-for": f"203.0.113.{tried % 250}"}
                    answer = api.send(route.method, path, body, elsewhere)
                    assert answer.status >= 400 or route.template.endswith("/sign-out")
                    assert canary.encode() not in answer.body, (route.name, field)
                    tried += 1
        assert 40 <= tried

    def test_no_refusal_repeats_a_name_that_does_not_exist(self, api: ApiHouse) -> None:
        """Issue 4.8: a key that was pasted into the wrong field comes back in no answer."""
        own, canary = f"/api/v1/tenants/{api.tenants['own']}", "sk-meterr_live_canary3f9a1c77"
        key = {"name": "x", "scopes": ["chat"]}
        limit = {"measure": "requests", "holder": "tenant", "span": "minute", "amount": "5"}
        for who, method, path, body in (
            ("admin", "GET", f"{own}/events?kind={canary}", None),
            ("admin", "GET", f"{own}/events?after={canary}", None),
            ("admin", "GET", f"{own}/usage?tz={canary}", None),
            ("admin", "GET", f"{own}/usage?from={canary}", None),
            ("admin", "GET", f"{own}/usage?by={canary}", None),
            ("admin", "PATCH", f"{own}/settings", {"time_zone": canary}),
            ("admin", "POST", f"{own}/keys", {**key, "scopes": [canary]}),
            ("admin", "POST", f"{own}/keys", {**key, "networks": [canary]}),
            ("admin", "POST", f"{own}/keys", {**key, "models": [f"{canary} x"]}),
            ("admin", "POST", f"{own}/keys", {**key, "models": [f"{canary}["]}),
            ("admin", "POST", f"{own}/limits", {**limit, "model": f"{canary}["}),
            ("admin", "POST", f"{own}/limits", {**limit, "measure": canary}),
            ("super-admin", "DELETE", f"/api/v1/platform/credentials/{canary}", None),
        ):
            answer = api.send(method, path, body, who=who)
            assert answer.status in (400, 404), (path, body, answer.body)
            assert canary.encode() not in answer.body, (path, body)

    def test_a_query_parameter_that_nobody_reads_is_refused(self, api: ApiHouse) -> None:
        """Issue 4.8: unknown and doubled parameters are errors, not guesses."""
        for route in described(api):
            path = route.path(api.tenants["own"])
            for query in ("?surprise=1", "?limit=1&limit=2", "?%00=1", "?after=%00"):
                answer = api.send(route.method, path + query, who=sender(route))
                assert (400, "invalid-request") == (answer.status, told(answer)["code"]), route.name

    def test_an_id_of_no_time_is_a_clear_answer(self, api: ApiHouse) -> None:
        """Never a 500: the year 10889 is in no calendar, where a page is found by its time."""
        late = "ffffffff-ffff-7fff-bfff-ffffffffffff"
        for path in (f"/api/v1/tenants/{api.tenants['own']}/events", "/api/v1/me/notices"):
            answer = api.send("GET", f"{path}?after={late}", who="admin")
            assert (400, "after") == (answer.status, told(answer).get("param")), path
        for route in described(api):
            if any(each["name"] == "after" for each in route.said.get("parameters", ())):
                path = route.path(api.tenants["own"])
                answer = api.send("GET", f"{path}?after={late}", who=sender(route))
                assert answer.status in (200, 400), (route.name, answer.body)

    def test_a_network_with_a_zone_is_refused_by_field(self, api: ApiHouse) -> None:
        """Never a 500: no database has a type for the name of a cable."""
        body = {"name": "x", "scopes": ["chat"], "networks": ["fe80::1%eth0"]}
        answer = api.send("POST", f"/api/v1/tenants/{api.tenants['own']}/keys", body, who="admin")
        assert (400, "networks") == (answer.status, told(answer).get("param"))

    def test_pages_have_a_first_and_a_last_size(self, api: ApiHouse) -> None:
        """Issue 4.8: limits are named; a cursor that is none of ours is refused."""
        paged = [
            route
            for route in described(api)
            if any(each["name"] == "limit" for each in route.said.get("parameters", ()))
        ]
        assert 8 <= len(paged)
        for route in paged:
            path = route.path(api.tenants["own"])
            for query in (
                "limit=0",
                "limit=201",
                "limit=x",
                "after=nonsense",
                "after=" + "x" * 300,
            ):
                answer = api.send("GET", f"{path}?{query}", who=sender(route))
                assert (400, "invalid-request") == (answer.status, told(answer)["code"]), route.name
