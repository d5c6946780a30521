"""Every route, every role, one's own tenant and another: each cell against a table of our own."""

from api_oracle import KEYED, MAY

from support.api_house import REASON, ApiHouse, told
from support.api_routes import Described, described

_PROBE = "?probe=1"
"""No route has this parameter, and it is looked at behind the gate: a yes changes nothing."""

_COLUMNS = {
    "anonymous": None,
    "user": "user",
    "admin": "admin",
    "super-admin": "super-admin",
    "user-elsewhere": "user",
    "admin-elsewhere": "admin",
}


def verdict(status: int, code: str) -> str:
    """Return what the gate said."""
    if status == 400 and code == "invalid-request":
        return "yes"
    return f"{status} {code}"


def expected(route: Described, column: str) -> str:
    """Return what the table of the issue says about a cell."""
    may = MAY[route.name]
    if route.is_open:
        return "yes"
    if column == "anonymous":
        return "401 session-refused"
    if route.is_tenants and column.endswith("-elsewhere"):
        return "404 not-found"
    role = column.removesuffix("-elsewhere")
    return "yes" if role in may else "403 forbidden"


class TestTheMatrix:
    def test_the_table_and_the_server_have_the_same_routes(self, api: ApiHouse) -> None:
        """Issue 4: the matrix is generated from the routes; none is missing, none is only told."""
        assert set(MAY) == {route.name for route in described(api)}

    def test_every_cell_is_what_the_table_says(self, api: ApiHouse) -> None:
        """S1:312-328, CVE-2026-12795, -12799: 100 % of route x role x {own, other tenant}."""
        own = api.tenants["own"]
        wrong, cells = [], 0
        for route in described(api):
            for column in _COLUMNS:
                who = None if column == "anonymous" else column
                path, headers = route.path(own) + _PROBE, route.headers(own)
                answer = api.send(route.method, path, headers=headers, who=who)
                found = verdict(answer.status, told(answer)["code"])
                cells += 1
                if found != expected(route, column):
                    wrong.append((route.name, column, found, expected(route, column)))
        assert [] == wrong
        assert cells == len(MAY) * len(_COLUMNS)

    def test_a_super_admin_without_a_reason_may_nothing_but_for_the_own_account(
        self, api: ApiHouse
    ) -> None:
        """Issue 4.1: break-glass, a reason each time; too short a one is none."""
        own = api.tenants["own"]
        for route in described(api):
            if route.is_open or "/me" in route.template or "/sessions" in route.name[:30]:
                continue
            wanted = "403 proof-needed" if "super-admin" in MAY[route.name] else "403 forbidden"
            for headers in ({}, {"x-meterr-reason": "short"}):
                path = route.path(own) + _PROBE
                sent = {**headers, **route.headers(own)}
                answer = api.send(route.method, path, headers=sent, who="super-admin", reason=False)
                assert wanted == verdict(answer.status, told(answer)["code"]), route.name

    def test_an_api_key_is_no_session_in_whatever_header_it_comes(self, api: ApiHouse) -> None:
        """Issue 4.8: API keys never authenticate here, but for what is declared for them."""
        key = api.house.key
        for route in described(api):
            if route.is_open or route.key_scope is not None:
                continue
            for headers in (
                {"authorization": f"Bearer {key}"},
                {"x-api-key": key},
                {"cookie": f"meterr-dev={key}"},
                {"authorization": f"Basic {key}"},
            ):
                answer = api.send(route.method, route.path(api.tenants["own"]), headers=headers)
                assert 401 == answer.status, (route.name, headers)

    def test_a_key_opens_what_is_declared_for_its_scope_and_nothing_else(
        self, api: ApiHouse
    ) -> None:
        """Issue 5.7: the scope decides, in either header, and never a cookie."""
        assert KEYED == {r.name: r.key_scope for r in described(api) if r.key_scope is not None}
        able = api.house.new_key(scopes=["query"])
        unable = api.house.new_key(scopes=["chat", "embeddings", "models"])
        for route in described(api):
            if route.key_scope is None:
                continue
            path = route.path(api.tenants["own"]) + _PROBE
            for key, expected_ in ((able, "yes"), (unable, "403 scope-missing")):
                for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
                    answer = api.send(route.method, path, headers=headers)
                    assert expected_ == verdict(answer.status, told(answer)["code"]), route.name
            for headers in ({"cookie": f"meterr-dev={able}"}, {"authorization": f"Basic {able}"}):
                assert 401 == api.send(route.method, path, headers=headers).status, route.name

    def test_a_session_opens_no_model_surface(self, api: ApiHouse) -> None:
        """Issue 4.8: sessions never authenticate on the model surfaces."""
        token = api.token("admin")
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
        for path in ("/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/v1/responses"):
            for headers in (
                {"authorization": f"Bearer {token}"},
                {"x-api-key": token},
                api.cookie("admin"),
            ):
                assert 401 == api.send("POST", path, body, headers).status, path

    def test_the_things_of_another_tenant_are_not_there(self, api: ApiHouse) -> None:
        """S1:325-328: a foreign id below one's own tenant is 404, as one that never was."""
        own, other = api.tenants["own"], api.tenants["other"]
        path = f"/api/v1/tenants/{own}/keys/{api.house.key_id}"
        assert 200 == api.send("GET", path, who="admin").status
        stolen = f"/api/v1/tenants/{other}/keys/{api.house.key_id}"
        for method, tail, body in (
            ("GET", "", None),
            ("GET", "/callers", None),
            ("POST", "/revoke", None),
            ("POST", "/rotate", {"reason": REASON}),
        ):
            foreign = api.send(method, stolen + tail, body, who="admin-elsewhere")
            absent = api.send(
                method, stolen.replace(api.house.key_id, own) + tail, body, who="admin-elsewhere"
            )
            assert (404, 404) == (foreign.status, absent.status)
            assert told(foreign)["detail"] == told(absent)["detail"]
        assert "active" == told(api.send("GET", path, who="admin"))["state"]
        member = f"/api/v1/tenants/{other}/members/{api.users['user']}"
        assert 404 == api.send("DELETE", member, who="admin-elsewhere").status
        assert 404 == api.send("DELETE", f"{member}/sessions", who="admin-elsewhere").status
        role = api.send("PUT", f"{member}/role", {"role": "admin"}, who="admin-elsewhere")
        assert 404 == role.status
