"""Somebody new who uses the management API from an address of their own."""

import json

from support.api_house import ORIGIN, ApiHouse, told
from support.authenticator import Authenticator
from support.people import PASSWORD
from support.simulator import Answer

_IN = "/api/v1/sign-in"
_FACTORS = "/api/v1/me/factors"


class Someone:
    """Somebody new, over HTTP: from an address of their own, so nobody else is slowed down."""

    def __init__(self, api: ApiHouse, email: str, place: str, *, admin: bool = False) -> None:
        self.api, self.email = api, email
        self.headers = {"x-forwarded-for": place}
        self.password = PASSWORD.get_secret_value()
        own = f"/api/v1/tenants/{api.tenants['own']}"
        path = f"{own}/admin-invitations" if admin else f"{own}/invitations"
        invited = told(api.send("POST", path, {"email": email}, who="admin"))
        assert 200 == self.take_up(invited["token"], self.password).status

    def post(self, path: str, body: object = None, token: str = "", method: str = "POST") -> Answer:
        signed = {"authorization": f"Bearer {token}"} if token else {}
        return self.api.send(method, path, body, {**self.headers, **signed})

    def take_up(self, token: str, password: str, **more: object) -> Answer:
        body = {"token": token, "password": password, **more}
        return self.post("/api/v1/invitations/take-up", body)

    def begin(self) -> dict[str, str]:
        body = {"email": self.email, "password": self.password}
        return told(self.post(f"{_IN}/password", body))

    def device(self, options: Answer) -> tuple[Authenticator, dict[str, object]]:
        """Return a new authenticator and what it answers to ``options``."""
        assert 200 == options.status, options.body
        made = Authenticator(ORIGIN)
        return made, json.loads(made.create(json.dumps(told(options)["options"])))

    def assertion(self, device: Authenticator, **challenge: str) -> dict[str, object]:
        options = told(self.post(f"{_IN}/passkey/begin", challenge))["options"]
        return json.loads(device.get(json.dumps(options)))

    def with_passkey(self, device: Authenticator) -> Answer:
        return self.post(f"{_IN}/passkey", {"credential": self.assertion(device)})


def enrolled(someone: Someone) -> Authenticator:
    """Return a first passkey, made with a session that has only seen the password."""
    token = someone.begin()["access_token"]
    device, credential = someone.device(someone.post(f"{_FACTORS}/passkeys/begin", token=token))
    body = {"name": "laptop", "credential": credential}
    assert 201 == someone.post(f"{_FACTORS}/passkeys", body, token).status
    return device


def administering(someone: Someone) -> tuple[str, str]:
    """Return a session of an administrator who makes a first passkey, and whose it is."""
    asked = {"challenge": someone.begin()["challenge"]}
    _, made = someone.device(someone.post(f"{_IN}/enrolment/passkey/begin", asked))
    body = {**asked, "name": "laptop", "credential": made}
    granted = told(someone.post(f"{_IN}/enrolment/passkey", body))
    return granted["access_token"], granted["user_id"]
