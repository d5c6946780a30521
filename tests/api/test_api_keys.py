"""API keys over HTTP: made, used on the model surfaces, rotated, revoked, all ended at once."""

import json
from decimal import Decimal

from support.api_house import REASON, ApiHouse, told

NOBODY = "0199d3a0-0000-7000-8000-000000000000"
_CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}


def works(api: ApiHouse, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"}
    return api.send("POST", "/v1/chat/completions", _CHAT, headers).status


def keys(api: ApiHouse, tail: str = "") -> str:
    return f"/api/v1/tenants/{api.tenants['own']}/keys{tail}"


def made(api: ApiHouse, **terms: object) -> tuple[str, str]:
    answer = api.send("POST", keys(api), {"name": "x", "scopes": ["chat"], **terms}, who="admin")
    assert 201 == answer.status, answer.body
    return told(answer)["secret"], told(answer)["key"]["key_id"]


class TestKeys:
    def test_a_key_is_shown_once_and_works_until_it_is_revoked(self, api: ApiHouse) -> None:
        """Issue 4.2: the secret is in one answer and in no other."""
        secret, key_id = made(api)
        assert 200 == works(api, secret)
        for path in (keys(api), keys(api, f"/{key_id}"), keys(api, f"/{key_id}/callers")):
            assert secret.encode() not in api.send("GET", path, who="admin").body
        revoked = api.send("POST", keys(api, f"/{key_id}/revoke"), who="admin")
        assert "revoked" == told(revoked)["state"]
        api.house.until(lambda: works(api, secret) == 401)

    def test_a_rotated_key_goes_on_for_its_grace_and_the_next_one_works(
        self, api: ApiHouse
    ) -> None:
        """Issue 4.3: old and new both work; a second rotation says what there is."""
        old, key_id = made(api)
        asked = {"reason": REASON, "grace_s": 3600}
        rotated = api.send("POST", keys(api, f"/{key_id}/rotate"), asked, who="admin")
        assert 201 == rotated.status
        new = told(rotated)["new"]["secret"]
        assert [200, 200] == [works(api, old), works(api, new)]
        again = api.send("POST", keys(api, f"/{key_id}/rotate"), asked, who="admin")
        assert (409, "already-rotated") == (again.status, told(again)["code"])

    def test_who_still_calls_with_an_old_key_is_listed(self, api: ApiHouse) -> None:
        """Issue 4.3: by address and user agent, as the calls came over the wire."""
        old, key_id = made(api)
        callers = keys(api, f"/{key_id}/callers")
        rotated = api.send(
            "POST", keys(api, f"/{key_id}/rotate"), {"reason": REASON, "grace_s": 3600}, who="admin"
        )
        new = told(rotated)["new"]["secret"]
        assert [] == told(api.send("GET", callers, who="admin"))["items"]

        def call(secret: str, place: str, program: str) -> None:
            from_there = {"x-forwarded-for": place, "user-agent": program}
            headers = {"authorization": f"Bearer {secret}", **from_there}
            assert 200 == api.send("POST", "/v1/chat/completions", _CHAT, headers).status

        def listed() -> list[tuple[str, str]]:
            items = told(api.send("GET", callers, who="admin"))["items"]
            return sorted((each["address"], each["user_agent"]) for each in items)

        call(old, "198.51.100.71", "billing-cron/1.4")
        call(old, "2001:db8::71", "OpenAI/Python 2.1")
        call(new, "198.51.100.72", "moved/1.0")
        moving = [("198.51.100.71", "billing-cron/1.4"), ("2001:db8::71", "OpenAI/Python 2.1")]
        api.house.until(lambda: listed() == moving, 20)

    def test_pages_are_whole_and_without_doubles(self, api: ApiHouse) -> None:
        """Issue 4: keyset pagination; walking it sees every key once."""
        for _ in range(5):
            made(api)
        seen: list[str] = []
        after = ""
        while True:
            page = told(api.send("GET", keys(api, f"?limit=2{after}"), who="user"))
            seen += [each["key_id"] for each in page["items"]]
            if page["after"] is None:
                break
            after = f"&after={page['after']}"
        whole = told(api.send("GET", keys(api, "?limit=200"), who="user"))["items"]
        assert seen == [each["key_id"] for each in whole]
        assert len(seen) == len(set(seen)) >= 5


class TestTerms:
    def test_a_change_needs_the_version_that_was_read(self, api: ApiHouse) -> None:
        """Issue 4.3: what is named changes, at once; of two who read one version one is told."""
        secret, key_id = made(api, models=["gpt-4o*"])
        seen = told(api.send("GET", keys(api, f"/{key_id}"), who="admin"))
        assert f"user {api.users['admin']}" == seen["author"]
        change = {"version": seen["version"], "models": ["o3"], "expires_at": None}
        answer = api.send("PATCH", keys(api, f"/{key_id}"), change, who="admin")
        assert 200 == answer.status, answer.body
        assert (["o3"], "x", ["chat"]) == tuple(
            told(answer)[each] for each in ("models", "name", "scopes")
        )
        api.house.until(lambda: works(api, secret) != 200)
        lost = api.send("PATCH", keys(api, f"/{key_id}"), {**change, "name": "y"}, who="admin")
        assert (409, "changed-meanwhile") == (lost.status, told(lost)["code"])
        lifted = {"version": told(answer)["version"], "models": None}
        assert 200 == api.send("PATCH", keys(api, f"/{key_id}"), lifted, who="admin").status
        api.house.until(lambda: works(api, secret) == 200)

    def test_a_key_that_has_ended_is_not_changed(self, api: ApiHouse) -> None:
        """409: no expiry brings it back."""
        _, key_id = made(api)
        revoked = told(api.send("POST", keys(api, f"/{key_id}/revoke"), who="admin"))
        assert [] == revoked["descendants"]
        change = {"version": revoked["version"], "name": "y"}
        answer = api.send("PATCH", keys(api, f"/{key_id}"), change, who="admin")
        assert (409, "key-ended") == (answer.status, told(answer)["code"])

    def test_a_name_or_scopes_that_are_null_are_refused(self, api: ApiHouse) -> None:
        """Only what can be unrestricted can be null."""
        _, key_id = made(api)
        for field in ("name", "scopes", "version"):
            change = {"version": 1, field: None}
            answer = api.send("PATCH", keys(api, f"/{key_id}"), change, who="admin")
            assert (400, field) == (answer.status, told(answer)["param"])

    def test_a_key_is_revoked_with_what_it_made(self, api: ApiHouse) -> None:
        """Issue 4.11: one parameter takes the whole tree; without it the rest goes on."""
        _, top = made(api)
        secret, child = made(api, created_by=top)
        assert top == told(api.send("GET", keys(api, f"/{child}"), who="admin"))["created_by"]
        alone = told(api.send("POST", keys(api, f"/{top}/revoke"), who="admin"))
        assert ([], 200) == (alone["descendants"], works(api, secret))
        path = keys(api, f"/{top}/revoke?with_descendants=true")
        assert [child] == told(api.send("POST", path, who="admin"))["descendants"]
        api.house.until(lambda: works(api, secret) == 401)

    def test_a_key_under_another_one_never_exceeds_it(self, api: ApiHouse) -> None:
        """Issue 4.2: a subset of the creator's at issue; a foreign creator is not there."""
        _, top = made(api)
        other = f"/api/v1/tenants/{api.tenants['other']}/keys"
        below = {"name": "x", "scopes": ["chat", "embeddings"], "created_by": top}
        for path, who, refusal in (
            (keys(api), "admin", (403, "grant-exceeded")),
            (other, "admin-elsewhere", (404, "not-found")),
        ):
            answer = api.send("POST", path, below, who=who)
            assert refusal == (answer.status, told(answer)["code"])

    def test_the_keys_of_somebody_are_revoked_dry_first(self, api: ApiHouse) -> None:
        """Issue 4.11: an administrator's stolen account leaves no key behind."""
        other = f"/api/v1/tenants/{api.tenants['other']}/keys"
        admin = "admin-elsewhere"
        made_there = [
            told(api.send("POST", other, {"name": "x", "scopes": ["chat"]}, who=admin))
            for _ in range(2)
        ]
        ids = {each["key"]["key_id"] for each in made_there}
        asked = {"author": f"user {api.users[admin]}"}
        dry = api.send("POST", f"{other}/revoke-made-by", {**asked, "dry_run": True}, who=admin)
        assert ids <= set(told(dry)["keys"])
        assert 200 == works(api, made_there[0]["secret"])
        done = api.send("POST", f"{other}/revoke-made-by", asked, who=admin)
        assert ids <= set(told(done)["keys"])
        for each in made_there:
            api.house.until(lambda each=each: works(api, each["secret"]) == 401)
        assert [] == told(api.send("POST", f"{other}/revoke-made-by", asked, who=admin))["keys"]


class TestPolicies:
    def test_are_set_listed_and_ended(self, api: ApiHouse) -> None:
        """Issue 4.3: of the tenant and of one line of keys, as on the command line."""
        _, key_id = made(api)
        tenant = keys(api).removesuffix("/keys")
        terms = {"max_age_s": 30 * 86400, "notice_s": 3600, "grace_s": 60}
        whole = {**terms, "key_id": None, "author": f"user {api.users['admin']}"}
        assert whole == told(api.send("PUT", f"{tenant}/key-policy", terms, who="admin"))
        one = keys(api, f"/{key_id}/policy")
        assert 200 == api.send("PUT", one, {"max_age_s": 60 * 86400}, who="admin").status
        listed = told(api.send("GET", f"{tenant}/key-policies", who="user"))["items"]
        assert [None, key_id] == [each["key_id"] for each in listed]
        assert [whole, 14 * 86400] == [listed[0], listed[1]["notice_s"]]
        wrong = {**terms, "notice_s": 90 * 86400}
        refused = api.send("PUT", f"{tenant}/key-policy", wrong, who="admin")
        assert (400, "notice") == (refused.status, told(refused)["param"])
        for path in (one, f"{tenant}/key-policy"):
            statuses = [api.send("DELETE", path, who="admin").status for _ in range(2)]
            assert [204, 404] == statuses
        assert [] == told(api.send("GET", f"{tenant}/key-policies", who="user"))["items"]


class TestSettings:
    def test_an_administrator_sets_what_is_the_tenants_own(self, api: ApiHouse) -> None:
        """Price policy and time zone; name and state are the platform's."""
        path = keys(api).removesuffix("/keys") + "/settings"
        before = told(api.send("GET", path, who="user"))
        changed = {"unknown_price": "flag", "time_zone": "Europe/Berlin"}
        answer = api.send("PATCH", path, changed, who="admin")
        assert {**before, **changed} == told(answer)
        wrong = api.send("PATCH", path, {"time_zone": "Mars/Base"}, who="admin")
        assert (400, "time_zone") == (wrong.status, told(wrong)["param"])
        assert before == told(api.send("PATCH", path, before_terms(before), who="admin"))


def before_terms(shown: dict[str, str]) -> dict[str, str]:
    """Return of what a route shows what it takes."""
    return {name: value for name, value in shown.items() if name != "name"}


class TestEmergencies:
    def test_codes_come_in_pages(self, api: ApiHouse) -> None:
        """Issue 4.3: no answer is as long as the tenant has keys; a page can be asked for again."""
        other = f"/api/v1/tenants/{api.tenants['other']}/keys"
        admin = "admin-elsewhere"
        for _ in range(5):
            api.send("POST", other, {"name": "x", "scopes": ["chat"]}, who=admin)
        struck = told(api.send("POST", f"{other}/rotate-all", {"reason": REASON}, who=admin))
        asked = {"reason": REASON, "emergency_id": struck["emergency_id"], "limit": 2}
        seen: list[str] = []
        after = None
        while True:
            page = told(api.send("POST", f"{other}/claims", {**asked, "after": after}, who=admin))
            assert len(page["items"]) <= 2
            seen += [each["key_id"] for each in page["items"]]
            after = page["after"]
            if after is None:
                break
        assert struck["keys"] == len(seen) == len(set(seen)) >= 5
        assert sorted(seen) == seen
        for wrong in ("nonsense", "x"):
            refused = api.send("POST", f"{other}/claims", {**asked, "after": wrong}, who=admin)
            assert (400, "after") == (refused.status, told(refused)["param"])

    def test_every_key_of_a_tenant_ends_and_its_successor_is_collected_once(
        self, api: ApiHouse
    ) -> None:
        """Issue 4.3: dry first; one call ends all; codes are collected once each."""
        other = f"/api/v1/tenants/{api.tenants['other']}/keys"
        admin = "admin-elsewhere"
        terms = {"name": "x", "scopes": ["chat"]}
        secret = told(api.send("POST", other, terms, who=admin))["secret"]
        dry = told(
            api.send("POST", f"{other}/rotate-all", {"reason": REASON, "dry_run": True}, who=admin)
        )
        assert (None, 1) == (dry["emergency_id"], dry["keys"])
        assert 200 == works(api, secret)
        struck = told(api.send("POST", f"{other}/rotate-all", {"reason": REASON}, who=admin))
        assert 1 == struck["keys"]
        api.house.until(lambda: works(api, secret) == 401)
        asked = {"reason": REASON, "emergency_id": struck["emergency_id"]}
        (claim,) = told(api.send("POST", f"{other}/claims", asked, who=admin))["items"]
        code = {"code": claim["code"]}
        collected = api.send("POST", "/api/v1/key-claims/collect", code)
        assert 200 == collected.status
        assert 200 == works(api, told(collected)["new"]["secret"])
        again = api.send("POST", "/api/v1/key-claims/collect", code)
        assert (404, "code-refused") == (again.status, told(again)["code"])

    def test_an_emergency_says_how_many_codes_of_before_it_ends(self, api: ApiHouse) -> None:
        """Issue 4.3: dry and real say the same: of a tenant with codes, without keys, of none."""
        path = f"/api/v1/tenants/{api.tenants['other']}/keys"
        api.send("POST", path, {"name": "x", "scopes": ["chat"]}, who="admin-elsewhere")
        asked = {"reason": REASON}
        struck = told(api.send("POST", f"{path}/rotate-all", asked, who="super-admin"))
        asked["emergency_id"] = struck["emergency_id"]
        assert told(api.send("POST", f"{path}/claims", asked, who="admin-elsewhere"))["items"]
        for codes, dry_run in ((struck["keys"], True), (struck["keys"], False), (0, True)):
            body = {"reason": REASON, "dry_run": dry_run}
            found = told(api.send("POST", f"{path}/rotate-all", body, who="super-admin"))
            assert [{"tenant_id": api.tenants["other"], "keys": 0, "codes": codes}] == (
                found["tenants"]
            )
            assert (0, codes) == (found["keys"], found["codes"])
            nobody = path.replace(api.tenants["other"], NOBODY)
            answer = api.send("POST", f"{nobody}/rotate-all", body, who="super-admin")
            assert (404, "not-found") == (answer.status, told(answer)["code"])


class TestMoney:
    def test_amounts_are_texts_and_exact(self, api: ApiHouse) -> None:
        """House: decimals end to end, strings on every wire."""
        limits = f"/api/v1/tenants/{api.tenants['own']}/limits"
        asked = {"measure": "usd", "holder": "tenant", "span": "month"}
        odd = "1234567.123456789012345678"
        stored = api.send("POST", limits, {**asked, "amount": odd}, who="admin")
        assert odd == told(stored)["amount"]
        for wrong in ("1e3", "-1", "NaN", "", "0x10", "1,5"):
            answer = api.send("POST", limits, {**asked, "amount": wrong}, who="admin")
            assert (400, "amount") == (answer.status, told(answer).get("param")), wrong
        limit_id = told(stored)["limit_id"]
        assert 204 == api.send("DELETE", f"{limits}/{limit_id}", who="admin").status
        assert 404 == api.send("DELETE", f"{limits}/{limit_id}", who="admin").status

    def test_what_calls_cost_is_summed_and_listed(self, api: ApiHouse) -> None:
        """House: the API's sums are the ledger's, to the last digit."""
        secret, key_id = made(api)
        assert 200 == works(api, secret)

        def costs() -> list[Decimal]:
            return [each["cost_usd"] for each in api.house.entries() if each["key_id"] == key_id]

        api.house.until(lambda: len(costs()) == 1)
        (cost,) = costs()
        tenant = f"/api/v1/tenants/{api.tenants['own']}"
        listed = told(api.send("GET", f"{tenant}/calls?key_id={key_id}", who="admin"))["items"]
        assert [format(cost.normalize(), "f")] == [each["cost_usd"] for each in listed]
        rows = told(api.send("GET", f"{tenant}/usage?by=key", who="user"))["items"]
        (row,) = [each for each in rows if each["group"]["key"] == key_id]
        assert format(cost.normalize(), "f") == row["cost_usd"]
        assert isinstance(json.dumps(row["cost_usd"]), str)
