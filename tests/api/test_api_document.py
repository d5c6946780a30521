"""The OpenAPI document: whole, true, and no way to make the server fail."""

from collections import Counter

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from support.api_house import REASON, ApiHouse, told
from support.api_routes import described

_DECLINED = {"description": "`question-declined`"}
"""The only 422 there is: the framework's own never is."""


class TestTheDocument:
    def test_each_route_says_what_it_needs_and_every_way_it_may_refuse(self, api: ApiHouse) -> None:
        """Issue 4: the document is complete: permissions, problems, no shape of another kind."""
        for route in described(api):
            answers = route.said["responses"]
            assert ("x-permission" in route.said) != ("x-open" in route.said), route.name
            assert {"400", "503", "default"} <= set(answers), route.name
            if not route.is_open:
                assert {"401", "403", "404"} <= set(answers), route.name
            assert "`question-declined`" == answers.get("422", _DECLINED)["description"]
            for status, answer in answers.items():
                if status == "default" or int(status) >= 400:
                    assert ["application/problem+json"] == list(answer["content"]), route.name

    def test_there_are_no_pages_beside_it(self, api: ApiHouse) -> None:
        """Issue 4.8: /docs and /redoc load scripts of others, so there are none."""
        for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/docs", "/api/v1/redoc"):
            answer = api.send("GET", path, who="admin")
            assert (404, "not-found") == (answer.status, told(answer)["code"])

    def test_every_answer_carries_the_protections_once(self, api: ApiHouse) -> None:
        """Issue 4.8: on every answer of the API, yes or no."""
        for route in described(api):
            for who in (None, "admin"):
                path = route.path(api.tenants["own"]) + "?probe=1"
                answer = api.send(route.method, path, who=who)
                assert "no-store" == answer.headers["cache-control"]
                assert "nosniff" == answer.headers["x-content-type-options"]
                assert "application/problem+json" == answer.headers["content-type"]
                assert "server" not in answer.headers
                assert told(answer)["instance"].startswith("urn:uuid:")


# What ends the sessions that this run lives on is tried by other tests.
_SKIPPED = r"/me/password|/factors|/sessions|/disable|/keys/rotate-all|/members|super-admins"
_BOUNDED = settings(
    max_examples=20,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_no_request_that_the_document_describes_makes_the_server_fail(api: ApiHouse) -> None:
    """Issue 4: schemathesis, 20 examples a route: no 5xx but for what is not configured."""
    schema = schemathesis.openapi.from_dict(told(api.send("GET", "/api/v1/openapi.json")))
    statuses: Counter[int] = Counter()
    failures: list[str] = []

    def attempt(case: schemathesis.Case) -> None:
        who = "super-admin" if "/platform" in case.path else "admin"
        headers = {
            "host": "localhost",
            "authorization": f"Bearer {api.token(who)}",
            "x-meterr-reason": REASON,
            "x-forwarded-for": "198.51.100.20",
        }
        answer = case.call(base_url=api.house.base_url, headers=headers)
        statuses[answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != 501:
            failures.append(f"{case.method} {case.path} {answer.status_code} {answer.text}")

    for found in schema.exclude(path_regex=_SKIPPED).get_all_operations():
        _BOUNDED(given(case=found.ok().as_strategy())(attempt))()
    assert [] == failures
    assert 300 <= statuses.total()
    assert {200, 201, 400, 404} <= set(statuses), statuses
