"""Events over HTTP: what the door refuses, who broke glass, and who may read of it."""

import time
from collections.abc import Callable
from typing import Any

import psycopg

from support.api_house import REASON, ApiHouse, email_of, told

KEYS_TRIED = 300
PATIENCE_S = 30
CANARY = "canary-9f8e7d6c5b4a-of-this-test"


def rows(api: ApiHouse, kind: str) -> list[dict[str, Any]]:
    """Return the events of a kind as the database has them, whosoever they are."""
    with psycopg.connect(api.house.admin_dsn) as connection:
        found = connection.execute(
            "select to_jsonb(e) from meterr.security_event e where kind = %s order by at", [kind]
        ).fetchall()
    return [row for (row,) in found]


def until(happened: Callable[[], Any]) -> Any:
    """Wait for what a process writes a second later; fail after a while."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not (found := happened()):
        assert time.monotonic() < give_up_at, "nothing was written"
        time.sleep(0.1)
    return found


def elsewhere(n: int) -> dict[str, str]:
    """Return the header of a client that nobody else of these tests is."""
    return {"x-forwarded-for": f"198.51.100.{n}"}


def from_there(api: ApiHouse, kind: str, n: int) -> list[dict[str, Any]]:
    return [row for row in rows(api, kind) if row["network"] == f"198.51.100.{n}"]


class TestWhatTheDoorRefuses:
    def test_a_flood_of_malformed_keys_is_a_row_or_two(self, api: ApiHouse) -> None:
        """Issue 4: malformed keys cost no write each."""
        for n in range(KEYS_TRIED):
            headers = {**elsewhere(11), "authorization": f"Bearer sk-meterr_live_{n:032x}"}
            assert 401 == api.send("GET", "/v1/models", headers=headers).status
        found = until(lambda: from_there(api, "key.malformed", 11))
        assert len(found) <= 4
        assert all(row["detail"]["reason"] in ("checksum", "malformed") for row in found)

    def test_a_revoked_key_is_its_tenants_to_know(self, api: ApiHouse) -> None:
        """A key that was revoked and is used on: somebody still has it."""
        key, key_id = api.house.new_key_with_id()
        own = api.tenants["own"]
        path = f"/api/v1/tenants/{own}/keys/{key_id}/revoke"
        assert 200 == api.send("POST", path, who="admin").status
        headers = {**elsewhere(12), "authorization": f"Bearer {key}"}
        until(lambda: 401 == api.send("GET", "/v1/models", headers=headers).status)
        (row,) = until(lambda: from_there(api, "key.refused", 12))[:1]
        assert (own, key_id, {"reason": "revoked", "times": 1}) == (
            row["tenant_id"],
            row["target_id"],
            row["detail"],
        )

    def test_what_a_member_may_not_is_their_tenants_to_know(self, api: ApiHouse) -> None:
        """A tenant's events are its administrators' to read, its own people's refusals too."""
        tenant = f"/api/v1/tenants/{api.tenants['own']}"
        body = {"name": "x", "scopes": ["chat"]}
        refused = api.send("POST", f"{tenant}/keys", body, elsewhere(17), who="user")
        assert 403 == refused.status
        (row,) = until(lambda: from_there(api, "access.denied", 17))
        assert api.tenants["own"] == row["tenant_id"]
        page = told(api.send("GET", f"{tenant}/events?kind=access.denied", who="admin"))
        assert row["id"] in {each["event_id"] for each in page["items"]}

    def test_what_a_foreigner_may_not_is_no_tenants_to_know(self, api: ApiHouse) -> None:
        """Nobody writes into the events of a tenant that they have nothing to do with."""
        path = f"/api/v1/tenants/{api.tenants['own']}/keys"
        assert 404 == api.send("GET", path, None, elsewhere(18), who="admin-elsewhere").status
        (row,) = until(lambda: from_there(api, "access.denied", 18))
        assert api.tenants["own"] != row["tenant_id"]

    def test_another_host_and_another_site_are_reported(self, api: ApiHouse) -> None:
        """Issue 4, item 8: rebinding and cross-site requests smell."""
        wrong = {**elsewhere(13), "host": f"evil.example|{CANARY}@x"}
        api.send("GET", "/healthz", headers={**elsewhere(13), "host": "evil.example"})
        api.send("GET", "/healthz", headers=wrong)
        crossed = {**elsewhere(13), "sec-fetch-site": "cross-site", **api.cookie("admin")}
        assert 403 == api.send("DELETE", "/api/v1/sessions", headers=crossed).status

        (host, *_) = until(lambda: from_there(api, "request.wrong_host", 13))
        assert "evil.example" == host["target_id"]
        until(lambda: from_there(api, "request.cross_origin", 13))

    def test_failed_sign_ins_are_reported_and_a_pause_is_told_once(self, api: ApiHouse) -> None:
        """S2:116, S1:466: the fifth failure within five minutes pauses, and somebody is told."""
        body = {"email": f"{CANARY}@example.com", "password": f"{CANARY} {CANARY}"}
        for _ in range(6):
            api.send("POST", "/api/v1/sign-in/password", body, elsewhere(14))
        (paused,) = until(lambda: from_there(api, "sign_in.paused", 14))
        assert "account_here" in paused["detail"]["limits"]
        found = until(lambda: from_there(api, "sign_in.failed", 14))
        assert {"unknown_account"} <= {row["detail"]["reason"] for row in found}

    def test_whose_account_is_tried_is_known_by_its_id(self, api: ApiHouse) -> None:
        """Many addresses against one account are one account's trouble."""
        body = {"email": email_of("user-elsewhere"), "password": "not the one, by far"}
        assert 401 == api.send("POST", "/api/v1/sign-in/password", body, elsewhere(16)).status
        (row, *_) = until(lambda: from_there(api, "sign_in.failed", 16))
        assert ("user", api.users["user-elsewhere"]) == (row["target_kind"], row["target_id"])

    def test_no_address_no_password_and_no_key_is_in_any_row(self, api: ApiHouse) -> None:
        """P6: opaque ids only, whatever was sent and to which failure it led."""
        with psycopg.connect(api.house.admin_dsn) as connection:
            found = connection.execute(
                "select count(*), count(*) filter (where e::text ilike '%%@%%' or "
                "strpos(e::text, %s) > 0 or e::text like '%%sk-meterr_%%') "
                "from meterr.security_event e",
                [CANARY],
            ).fetchone()
        assert found is not None
        assert found[0] > 0
        assert 0 == found[1]


class TestReading:
    def test_breaking_glass_is_on_record_with_its_reason_before_anything_is_done(
        self, api: ApiHouse
    ) -> None:
        """Issue 4, item 1: MFA and a reason each time; the tenant's administrators see it."""
        own = api.tenants["own"]
        before = len(rows(api, "break_glass.used"))
        assert 200 == api.send("GET", f"/api/v1/tenants/{own}/members", who="super-admin").status

        (row,) = rows(api, "break_glass.used")[before:]

        assert {"permission": "tenant:member:read", "reason": REASON} == row["detail"]
        assert (own, api.users["super-admin"]) == (row["tenant_id"], row["actor_id"])
        seen = told(api.send("GET", f"/api/v1/tenants/{own}/events?kind=break_glass", who="admin"))
        assert row["id"] in [item["event_id"] for item in seen["items"]]

    def test_an_act_is_on_record_once_and_a_refused_one_not_at_all(self, api: ApiHouse) -> None:
        """Also when it has a body, which is judged twice; a request without effect is none."""
        own = api.tenants["own"]
        before = len(rows(api, "break_glass.used"))
        path = f"/api/v1/tenants/{own}/keys/rotate-all"
        body = {"reason": "a drill of the tests", "dry_run": True}
        assert 200 == api.send("POST", path, body, who="super-admin").status
        assert 400 == api.send("POST", f"{path}?probe=1", body, who="super-admin").status
        assert 1 == len(rows(api, "break_glass.used")) - before

    def test_ones_own_account_breaks_no_glass(self, api: ApiHouse) -> None:
        """A super_admin's own password is nobody's reason."""
        before = len(rows(api, "break_glass.used"))
        assert 200 == api.send("GET", "/api/v1/me", who="super-admin").status
        assert before == len(rows(api, "break_glass.used"))

    def test_an_administrator_reads_who_did_what_in_pages(self, api: ApiHouse) -> None:
        """The person who asked stands beside what was made."""
        own = api.tenants["own"]
        path = f"/api/v1/tenants/{own}/events"
        body = {"name": "recorded", "scopes": ["chat"]}
        for _ in range(3):
            api.send("POST", f"/api/v1/tenants/{own}/keys", body, elsewhere(15), who="admin")
        first = told(api.send("GET", f"{path}?kind=key.created&limit=2", who="admin"))
        rest = told(api.send("GET", f"{path}?kind=key.created&after={first['after']}", who="admin"))
        ours = [*first["items"], *rest["items"]][:3]
        assert 3 == len({item["event_id"] for item in ours})
        assert {("user", api.users["admin"], "198.51.100.15")} == {
            (item["actor"]["kind"], item["actor"]["id"], item["network"]) for item in ours
        }
        for wrong in ("kind=nothing", "from=yesterday", "after=x", "limit=0"):
            assert 400 == api.send("GET", f"{path}?{wrong}", who="admin").status, wrong

    def test_people_read_what_they_were_told_and_mark_it(self, api: ApiHouse) -> None:
        """Notices over HTTP: one's own, unread ones apart."""
        own, user = api.tenants["own"], api.users["user"]
        role = f"/api/v1/tenants/{own}/members/{user}/role"
        for name in ("admin", "user"):
            assert 200 == api.send("PUT", role, {"role": name}, who="admin").status
        api.forget("user")
        path = "/api/v1/me/notices"

        unread = told(api.send("GET", f"{path}?unread=true", who="user"))["items"]
        roles = [item["about"] for item in unread if item["kind"] == "member.role_changed"]
        assert ["user", "admin"] == roles[:2]
        notice = unread[0]["notice_id"]
        assert 404 == api.send("POST", f"{path}/{notice}/read", who="admin").status
        assert 204 == api.send("POST", f"{path}/{notice}/read", who="user").status
        left = told(api.send("GET", f"{path}?unread=true", who="user"))["items"]
        assert notice not in [item["notice_id"] for item in left]
        assert email_of("user") not in str(left)
