"""Requests that other sites cause, and what their scripts may read: every cell, from the routes."""

from api_oracle import MAY

from support.api_house import ORIGIN, REASON, ApiHouse, told
from support.api_routes import described

ELSEWHERE = "https://evil.example"
SHARED = "https://app.example.com"  # may read answers to API keys, by the settings

REFUSED = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": SHARED},
    {"sec-fetch-site": "nonsense", "origin": ORIGIN},
    {"origin": ELSEWHERE},
    {"origin": "null"},
    {"origin": SHARED},
)
PASSED = (
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"origin": "http://localhost"},
    {},
)


def who_may(name: str) -> str:
    """Return somebody to whom the gate says yes."""
    return "admin" if "admin" in MAY[name] else "super-admin"


class TestForgedRequests:
    def test_every_unsafe_route_refuses_what_another_site_sends(self, api: ApiHouse) -> None:
        """S1:25, S2:81: unsafe routes x where a request comes from, with a cookie that counts."""
        own, cells = api.tenants["own"], 0
        for route in described(api):
            if not route.is_unsafe:
                continue
            cookie = api.cookie(who_may(route.name)) | {"x-meterr-reason": REASON}
            for headers in REFUSED:
                answer = api.send(route.method, route.path(own), b"{}", {**cookie, **headers})
                assert (403, "cross-origin") == (answer.status, told(answer)["code"]), route.name
                cells += 1
            for headers in PASSED:
                path = route.path(own) + "?probe=1"
                answer = api.send(route.method, path, headers={**cookie, **headers})
                assert (400, "invalid-request") == (answer.status, told(answer)["code"]), route.name
                cells += 1
        unsafe = sum(route.is_unsafe for route in described(api))
        assert cells == unsafe * (len(REFUSED) + len(PASSED))

    def test_a_bearer_token_is_not_looked_past_for_a_cookie(self, api: ApiHouse) -> None:
        """Issue 4.8: a request with a bad bearer token and a good cookie is nobody's."""
        headers = {"authorization": "Bearer nonsense", **api.cookie("admin")}
        assert 401 == api.send("GET", "/api/v1/me", headers=headers).status
        doubled = {"cookie": f"meterr-dev={api.token('admin')}; meterr-dev=x"}
        assert 400 == api.send("GET", "/api/v1/me", headers=doubled).status


class TestSharing:
    def test_no_route_is_shared_with_any_origin(self, api: ApiHouse) -> None:
        """Issue 4.8: routes that take cookies are shared with nobody, whatever the settings say."""
        own = api.tenants["own"]
        for route in described(api):
            for origin in (ELSEWHERE, SHARED, ORIGIN, "null"):
                asked = {"origin": origin, "access-control-request-method": route.method}
                preflight = api.send("OPTIONS", route.path(own), headers=asked)
                assert 405 == preflight.status, route.name
                if route.is_unsafe:
                    continue
                answer = api.send("GET", route.path(own), headers={"origin": origin})
                for told_ in (preflight, answer):
                    names = {name for name in told_.headers if name.startswith("access-control-")}
                    assert set() == names, (route.name, origin)

    def test_a_model_route_is_shared_with_the_origin_of_the_settings(self, api: ApiHouse) -> None:
        """The check above can fail: the same origin reads what a key opens."""
        answer = api.send("GET", "/v1/models", headers={"origin": SHARED})
        assert SHARED == answer.headers["access-control-allow-origin"]
