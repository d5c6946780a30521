"""A request that holds its body back is judged as of when it is there, not as of its headers."""

import json
import socket
from contextlib import ExitStack
from typing import Self

from support.api_house import ApiHouse
from support.simulator import sent_to
from support.someone import Someone, administering


class Held:
    """A request whose headers were sent, and of whose body the last byte is missing."""

    def __init__(self, api: ApiHouse, method: str, path: str, body: object, token: str) -> None:
        data = json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(data)}\r\n"
            f"authorization: Bearer {token}\r\nexpect: 100-continue\r\n\r\n"
        )
        self._line = sent_to(api.wire.port, head.encode())
        self._data = data

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._line)
            # It asks for the body behind the gate, and nowhere else.
            asked = b""
            while not asked.endswith(b"\r\n\r\n"):
                asked += self._line.recv(1)
            assert asked.startswith(b"HTTP/1.1 100 "), asked
            self._line.sendall(self._data[:-1])
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def finish(self) -> int:
        """Send what is missing; return the status."""
        self._line.sendall(self._data[-1:])
        answer = b"".join(iter(lambda: self._line.recv(65536), b""))
        final = answer.rpartition(b"HTTP/1.1 ")[2]
        return int(final.split()[0])


class TestABodyThatComesLate:
    def test_it_counts_while_its_sender_may(self, api: ApiHouse) -> None:
        """The positive space: slow is not refused."""
        ada = Someone(api, "slow@example.com", "198.51.100.31")
        new = {"current": ada.password, "new": "copper violin meadow anchor"}
        token = ada.begin()["access_token"]
        with Held(api, "PUT", "/api/v1/me/password", new, token) as held:
            assert 204 == held.finish()

    def test_it_does_nothing_after_its_session_ended(self, api: ApiHouse) -> None:
        """Attack: requests kept open through a reset would have enrolled a factor after it."""
        ada = Someone(api, "held@example.com", "198.51.100.32")
        token = ada.begin()["access_token"]
        passkey = {"name": "x", "credential": {}}
        with (
            Held(api, "POST", "/api/v1/me/factors/passkeys", passkey, token) as held,
            Held(api, "POST", "/api/v1/me/factors/totp/begin", {}, token) as begin,
        ):
            assert 200 == ada.post("/api/v1/sessions", token=token, method="DELETE").status
            api.house.until(lambda: ada.post("/api/v1/me", token=token, method="GET").status == 401)
            assert [401, 401] == [held.finish(), begin.finish()]

    def test_it_does_nothing_after_its_sender_was_removed(self, api: ApiHouse) -> None:
        """Issue 4.5: a role that was taken away is taken away, also from what had begun."""
        own = f"/api/v1/tenants/{api.tenants['own']}"
        mallory = Someone(api, "held-admin@example.com", "198.51.100.33", admin=True)
        token, user_id = administering(mallory)
        body = {"email": "accomplice@example.com"}
        with Held(api, "POST", f"{own}/admin-invitations", body, token) as held:
            assert 204 == api.send("DELETE", f"{own}/members/{user_id}", who="admin").status
            api.house.until(
                lambda: mallory.post("/api/v1/me", token=token, method="GET").status == 401
            )
            assert 401 == held.finish()

    def test_nobody_else_is_let_in_by_asking_twice(self, api: ApiHouse) -> None:
        """The gate before the body stays: a stranger is never asked for one."""
        head = (
            "POST /api/v1/me/factors/totp/begin HTTP/1.1\r\nhost: localhost\r\n"
            "content-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", api.wire.port), timeout=30) as line:
            line.sendall(head.encode())
            assert line.recv(65536).startswith(b"HTTP/1.1 401 ")
