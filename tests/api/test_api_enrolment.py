"""First factors over HTTP, for who signed in with a password only; and resets, which need one."""

import base64
import time

import pytest

from support.api_house import ApiHouse, told
from support.people import code_at
from support.someone import Someone, enrolled

_IN = "/api/v1/sign-in"
_ME = "/api/v1/me"
_FACTORS = f"{_ME}/factors"
_NEW = "copper violin meadow anchor"


class TestAFirstFactor:
    def test_a_user_makes_a_passkey_with_the_password_alone(self, api: ApiHouse) -> None:
        """Issue 4.4: reachable for a person who is signed in, and it counts from then on."""
        ada = Someone(api, "first-passkey@example.com", "198.51.100.21")
        before = ada.begin()["access_token"]
        device = enrolled(ada)
        api.house.until(lambda: ada.post(_ME, token=before, method="GET").status == 401)
        assert 200 == ada.with_passkey(device).status
        assert ["passkey"] == ada.begin()["ways"]

    def test_a_user_makes_an_authenticator_app_with_the_password_alone(self, api: ApiHouse) -> None:
        """As above, with the code of an app."""
        ada = Someone(api, "first-app@example.com", "198.51.100.22")
        token = ada.begin()["access_token"]
        made = told(ada.post(f"{_FACTORS}/totp/begin", token=token))
        code = code_at(_secret(made["secret"]), int(time.time()))
        assert 204 == ada.post(f"{_FACTORS}/totp", {"code": code}, token, method="PUT").status
        assert ["totp"] == ada.begin()["ways"]

    def test_an_administrator_makes_a_passkey_before_there_is_a_session(
        self, api: ApiHouse
    ) -> None:
        """Issue 4.4: administrators have a factor first; it need not be an app."""
        root = Someone(api, "first-admin@example.com", "198.51.100.23", admin=True)
        owed = root.begin()
        assert "must_enrol" == owed["state"]
        asked = {"challenge": owed["challenge"]}
        device, credential = root.device(root.post(f"{_IN}/enrolment/passkey/begin", asked))
        body = {**asked, "name": "laptop", "credential": credential}
        granted = root.post(f"{_IN}/enrolment/passkey", body)
        assert 200 == granted.status, granted.body
        token = told(granted)["access_token"]
        assert told(root.post(_ME, token=token, method="GET"))["factor_at"] is not None
        members = f"/api/v1/tenants/{api.tenants['own']}/members"
        assert 200 == root.post(members, token=token, method="GET").status
        assert 200 == root.with_passkey(device).status
        assert 401 == root.post(f"{_IN}/enrolment/passkey", body).status

    def test_it_is_the_first_one_or_none(self, api: ApiHouse) -> None:
        """S2:77: a challenge in the hands of a thief makes no second one beside the owner's."""
        root = Someone(api, "second-admin@example.com", "198.51.100.24", admin=True)
        stolen, own = root.begin()["challenge"], root.begin()["challenge"]
        options = root.post(f"{_IN}/enrolment/passkey/begin", {"challenge": stolen})
        _, late = root.device(options)
        _, first = root.device(root.post(f"{_IN}/enrolment/passkey/begin", {"challenge": own}))
        body = {"challenge": own, "name": "mine", "credential": first}
        assert 200 == root.post(f"{_IN}/enrolment/passkey", body).status
        refused = root.post(
            f"{_IN}/enrolment/passkey", {"challenge": stolen, "name": "his", "credential": late}
        )
        assert 401 == refused.status

    def test_a_second_one_needs_the_first_one_lately(self, api: ApiHouse) -> None:
        """Step-up: an old session of somebody who has a factor adds none and removes none."""
        token = api.stale("admin")
        for method, path in (
            ("POST", f"{_FACTORS}/totp/begin"),
            ("PUT", f"{_FACTORS}/totp"),
            ("DELETE", f"{_FACTORS}/totp"),
            ("POST", f"{_FACTORS}/passkeys/begin"),
            ("POST", f"{_FACTORS}/passkeys"),
            ("POST", f"{_FACTORS}/recovery-codes"),
        ):
            headers = {"authorization": f"Bearer {token}"}
            answer = api.send(method, path, headers=headers)
            assert (403, "proof-needed") == (answer.status, told(answer)["code"]), path


class TestAReset:
    def reset(self, api: ApiHouse, someone: Someone, kind: str = "reset") -> str:
        users = told(api.send("GET", "/api/v1/platform/users?limit=200", who="super-admin"))
        (user_id,) = (e["user_id"] for e in users["items"] if e["email"] == someone.email)
        made = api.send("POST", f"/api/v1/platform/users/{user_id}/{kind}", who="super-admin")
        assert 201 == made.status, made.body
        return str(told(made)["token"])

    def test_its_token_alone_is_not_enough_where_there_is_a_factor(self, api: ApiHouse) -> None:
        """A stolen mailbox: the token is refused without the factor, and good with it."""
        ada = Someone(api, "reset@example.com", "198.51.100.25")
        device = enrolled(ada)
        token = self.reset(api, ada)
        refused = ada.take_up(token, _NEW)
        assert (403, "factor-needed") == (refused.status, told(refused)["code"])
        assert 401 == ada.take_up(token, _NEW, code="000000").status
        taken = ada.take_up(token, _NEW, credential=ada.assertion(device))
        assert 200 == taken.status, taken.body
        assert 200 == ada.with_passkey(device).status

    def test_one_that_does_without_leaves_no_factor(self, api: ApiHouse) -> None:
        """Pre-hijacking: whoever had the account before has nothing of it any more."""
        ada = Someone(api, "hijacked@example.com", "198.51.100.26")
        strangers = enrolled(ada)
        token = self.reset(api, ada, "reset-without-factors")
        assert 200 == ada.take_up(token, _NEW).status
        assert 401 == ada.with_passkey(strangers).status
        ada.password = _NEW
        assert "signed_in" == ada.begin()["state"]

    @pytest.mark.parametrize(
        "proofs", [{"code": "123456", "recovery_code": "x"}, {"code": "1", "credential": {}}]
    )
    def test_one_proof_is_given_and_not_two(self, api: ApiHouse, proofs: dict[str, object]) -> None:
        """No guess at which of them counts."""
        body = {"token": "x", "password": "x", **proofs}
        answer = api.send("POST", "/api/v1/invitations/take-up", body)
        assert (400, "invalid-request") == (answer.status, told(answer)["code"])


def _secret(shown: str) -> bytes:
    return base64.b32decode(shown + "=" * (-len(shown) % 8))
