"""What wants a second factor once more, over HTTP: route by route, and how one gives it."""

import base64
import json
import time
from typing import Any

import psycopg
import pytest
from api_oracle import FRESH, MAY

from support.api_house import REASON, ApiHouse, told
from support.api_routes import described
from support.authenticator import Authenticator
from support.people import code_at
from support.simulator import Answer
from support.someone import Someone

_IN = "/api/v1/sign-in"
_UP = "/api/v1/sessions/step-up"
_OWN = ("/api/v1/me", "/api/v1/sessions")
_NEEDED = (403, "proof-needed")
_PROBE = "?probe=1"
"""No route has this parameter, and it is looked at behind the gate: a yes changes nothing."""


@pytest.mark.parametrize("role", ["admin", "super-admin"])
def test_an_old_factor_opens_what_the_table_says_and_no_more(api: ApiHouse, role: str) -> None:
    """Issue 4, items 1 and 4: rotation, roles, people; and all that breaks glass, each time."""
    headers = {"authorization": f"Bearer {api.stale(role)}", "x-meterr-reason": REASON}
    asked, expected = set(), set()
    for route in described(api):
        if route.is_open or role not in MAY[route.name]:
            continue
        breaks_glass = role == "super-admin" and not route.template.startswith(_OWN)
        if breaks_glass or route.name in FRESH:
            expected.add(route.name)
        own = api.tenants["own"]
        sent = {**headers, **route.headers(own)}
        answer = api.send(route.method, route.path(own) + _PROBE, headers=sent)
        found = (answer.status, told(answer)["code"])
        assert found in {_NEEDED, (400, "invalid-request")}, route.name
        if found == _NEEDED:
            asked.add(route.name)
    assert asked
    assert expected == asked


class Administrator(Someone):
    """Somebody new who administers a tenant, with a session whose factor is an hour old."""

    token: str

    def is_stale(self, granted: Any) -> None:
        """Take up a session and let an hour pass for its factor."""
        self.token = granted["access_token"]
        with psycopg.connect(self.api.house.admin_dsn) as connection:
            connection.execute(
                """update meterr.user_session set factor_at = factor_at - interval '1 hour'
                    where user_id = %s""",
                [granted["user_id"]],
            )

    def with_passkey_made(self) -> Authenticator:
        asked = {"challenge": self.begin()["challenge"]}
        device, made = self.device(self.post(f"{_IN}/enrolment/passkey/begin", asked))
        body = {**asked, "name": "laptop", "credential": made}
        self.is_stale(told(self.post(f"{_IN}/enrolment/passkey", body)))
        return device

    def with_app_made(self) -> tuple[bytes, str]:
        """Return the app's secret, and the code that is used up."""
        asked = {"challenge": self.begin()["challenge"]}
        begun = told(self.post(f"{_IN}/enrolment/totp/begin", asked))["secret"]
        secret = base64.b32decode(begun + "=" * (-len(begun) % 8))
        code = code_at(secret, int(time.time()))
        self.is_stale(told(self.post(f"{_IN}/enrolment/totp", {**asked, "code": code})))
        return secret, code

    def rotate(self, key_id: str) -> Answer:
        path = f"/api/v1/tenants/{self.api.tenants['own']}/keys/{key_id}/rotate"
        return self.post(path, {"reason": "a drill"}, self.token)


def a_key(api: ApiHouse) -> str:
    path = f"/api/v1/tenants/{api.tenants['own']}/keys"
    made = api.send("POST", path, {"name": "rotated", "scopes": ["chat"]}, who="admin")
    return str(told(made)["key"]["key_id"])


def refused(answer: Answer) -> bool:
    return _NEEDED == (answer.status, told(answer)["code"])


class TestGivingOneOnceMore:
    def test_a_passkey_opens_it_under_a_new_token(self, api: ApiHouse) -> None:
        """Issue 4, item 4: refused, given, done; the token of before opens nothing any more."""
        key_id = a_key(api)
        ada = Administrator(api, "step-up-passkey@example.com", "198.51.100.61", admin=True)
        device = ada.with_passkey_made()
        assert refused(ada.rotate(key_id))

        options = told(ada.post(f"{_UP}/passkey/begin", token=ada.token))["options"]
        credential = json.loads(device.get(json.dumps(options)))
        before = ada.token
        given = ada.post(f"{_UP}/passkey", {"credential": credential}, ada.token)
        assert 200 == given.status, given.body
        ada.token = told(given)["access_token"]
        assert 201 == ada.rotate(key_id).status
        api.house.until(lambda: ada.post("/api/v1/me", token=before, method="GET").status == 401)

    def test_a_code_opens_it_once_and_a_wrong_one_does_not(self, api: ApiHouse) -> None:
        """Issue 4, item 4: the code that was used to sign in is none to step up with."""
        key_id = a_key(api)
        ada = Administrator(api, "step-up-code@example.com", "198.51.100.62", admin=True)
        secret, used = ada.with_app_made()
        fresh = code_at(secret, int(time.time()) + 30)
        wrong = f"{(int(fresh) + 1) % 10**6:06}"
        for code in (used, wrong):
            assert 401 == ada.post(f"{_UP}/totp", {"code": code}, ada.token).status
            assert refused(ada.rotate(key_id))
        given = ada.post(f"{_UP}/totp", {"code": fresh}, ada.token)
        assert 200 == given.status, given.body
        ada.token = told(given)["access_token"]
        assert 201 == ada.rotate(key_id).status

    def test_somebody_elses_passkey_opens_nothing(self, api: ApiHouse) -> None:
        """Issue 4, item 4: the proof is of the person whose session it is."""
        key_id = a_key(api)
        ada = Administrator(api, "step-up-own@example.com", "198.51.100.63", admin=True)
        bob = Administrator(api, "step-up-other@example.com", "198.51.100.64", admin=True)
        ada.with_passkey_made()
        device = bob.with_passkey_made()
        options = told(bob.post(f"{_UP}/passkey/begin", token=bob.token))["options"]
        credential = json.loads(device.get(json.dumps(options)))
        assert 401 == ada.post(f"{_UP}/passkey", {"credential": credential}, ada.token).status
        assert refused(ada.rotate(key_id))
