"""Signing in over HTTP, step by step: with a password, a code, cookies; going on and ending."""

import re
import time

from support.api_house import ApiHouse, email_of, told
from support.people import PASSWORD, SECRET, code_at

_IN = "/api/v1/sign-in"
_SESSIONS = "/api/v1/sessions"
_SAME = {"sec-fetch-site": "same-origin"}


def begin(api: ApiHouse, name: str, **more: str) -> tuple[int, dict[str, str]]:
    body = {"email": email_of(name), "password": PASSWORD.get_secret_value(), **more}
    answer = api.send("POST", f"{_IN}/password", body)
    return answer.status, told(answer)


def me(api: ApiHouse, token: str) -> int:
    return api.send("GET", "/api/v1/me", headers=bearer(token)).status


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def refused_soon(api: ApiHouse, path: str, headers: dict[str, str]) -> None:
    """Wait until what was ended is refused: in every process, in 250 ms on a quiet machine."""
    api.house.until(lambda: api.send("GET", path, headers=headers).status == 401, timeout_s=10)


def finished(api: ApiHouse, challenge: str, **more: str) -> tuple[int, dict[str, str], list[str]]:
    """Give the next code that nobody has used; a code is good once."""
    for step in (0, 30, -30):
        code = code_at(SECRET, int(time.time()) + step)
        body = {"challenge": challenge, "code": code, **more}
        answer = api.send("POST", f"{_IN}/totp", body)
        if answer.status == 200:
            break
    cookies = [value for name, value in answer.headers.items() if name == "set-cookie"]
    return answer.status, told(answer), cookies


class TestSigningIn:
    def test_a_user_without_a_factor_gets_tokens_for_the_password(self, api: ApiHouse) -> None:
        """Issue 4.5: the access token opens the API, the refresh token gets the next pair."""
        status, granted = begin(api, "user")
        assert (200, "signed_in") == (status, granted["state"])
        assert 200 == me(api, granted["access_token"])
        renewed = api.send(
            "POST", f"{_SESSIONS}/refresh", {"refresh_token": granted["refresh_token"]}
        )
        assert 200 == renewed.status
        assert told(renewed)["session_id"] == granted["session_id"]
        assert 200 == me(api, told(renewed)["access_token"])

    def test_an_administrator_owes_a_factor(self, api: ApiHouse) -> None:
        """Issue 4.4: a right password of an admin is no session."""
        status, owed = begin(api, "admin-elsewhere")
        assert (200, "needs_factor", ["totp"]) == (status, owed["state"], owed["ways"])
        assert 401 == me(api, owed["challenge"])
        wrong = {"challenge": owed["challenge"], "code": "000000"}
        assert 401 == api.send("POST", f"{_IN}/totp", wrong).status
        status, granted, _ = finished(api, owed["challenge"])
        assert (200, "signed_in") == (status, granted["state"])
        again = {"challenge": owed["challenge"], "code": code_at(SECRET, int(time.time()))}
        assert 401 == api.send("POST", f"{_IN}/totp", again).status

    def test_wrong_password_and_unknown_account_get_one_answer(self, api: ApiHouse) -> None:
        """Issue 4.4: enumeration-safe, in every byte but the request's id."""
        answers = []
        for email in (email_of("user"), "nobody-here@example.com", "no address at all"):
            body = {"email": email, "password": "granite teapot willow comet"}
            answer = api.send("POST", f"{_IN}/password", body)
            answers.append((answer.status, re.sub(rb"urn:uuid:[0-9a-f-]+", b"", answer.body)))
        assert 1 == len(set(answers))
        assert 401 == answers[0][0]

    def test_too_many_attempts_say_when_to_come_back(self, api: ApiHouse) -> None:
        """Issue 4.4 and RFC 9110, 10.2.3: 429 with Retry-After and RateLimit, no lock."""
        body = {"email": "guessed@example.com", "password": "granite teapot willow comet"}
        elsewhere = {"x-forwarded-for": "198.51.100.7"}
        answers = [api.send("POST", f"{_IN}/password", body, elsewhere) for _ in range(20)]
        refused, *_ = [each for each in answers if each.status == 429]
        assert 1 <= int(refused.headers["retry-after"]) <= 900
        lines = api.wire_lines("POST", f"{_IN}/password", body, elsewhere)
        wait = re.findall(r"(?im)^retry-after: (\d+)", lines)[0]
        limits = re.findall(r"(?im)^ratelimit: ([^\r]*)", lines)
        assert [f'"attempts";r=0;t={wait}', '"requests"'] == [limits[0], limits[1].split(";")[0]]


class TestCookies:
    def test_a_browser_gets_both_tokens_as_cookies_and_none_in_the_answer(
        self, api: ApiHouse
    ) -> None:
        """S1:177-183: HttpOnly, SameSite=Strict, Path=/; a script holds no token."""
        body = {
            "email": email_of("user-elsewhere"),
            "password": PASSWORD.get_secret_value(),
            "deliver": "cookies",
        }
        raw = api.wire_lines("POST", f"{_IN}/password", body, _SAME)
        cookies = dict(re.findall(r"(?im)^set-cookie: ([\w-]+)=([^;\r]*)", raw))
        assert {"meterr-dev", "meterr-dev-refresh"} == set(cookies)
        for line in re.findall(r"(?im)^set-cookie: (.*?)\r?$", raw):
            assert re.fullmatch(
                r"meterr-dev(-refresh)?=[\w.-]+; Max-Age=\d+; Path=/; HttpOnly; SameSite=Strict",
                line,
            )
        assert '"access_token":null' in raw
        assert '"refresh_token":null' in raw
        header = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        assert 200 == api.send("GET", "/api/v1/me", headers=header).status
        renewed = api.wire_lines("POST", f"{_SESSIONS}/refresh", {}, {**header, **_SAME})
        assert 2 == renewed.lower().count("set-cookie: meterr-dev")
        out = api.wire_lines("DELETE", f"{_SESSIONS}/current", None, {**header, **_SAME})
        assert 2 == out.count("Max-Age=0")
        refused_soon(api, "/api/v1/me", header)

    def test_a_refused_refresh_takes_the_cookies_away(self, api: ApiHouse) -> None:
        """Issue 4.5: what is refused is no use to the browser any more."""
        header = {"cookie": "meterr-dev-refresh=nonsense", **_SAME}
        raw = api.wire_lines("POST", f"{_SESSIONS}/refresh", {}, header)
        assert raw.startswith("HTTP/1.1 401 ")
        assert 2 == raw.count("Max-Age=0")


class TestGoingOnAndEnding:
    def test_a_session_that_is_ended_opens_nothing_any_more(self, api: ApiHouse) -> None:
        """CVE-2026-12796: old sessions are listed, and end when their owner says so."""
        first, second = api.grant("user", new=True), api.grant("user", new=True)
        mine = {"authorization": f"Bearer {first.access.get_secret_value()}"}
        listed = told(api.send("GET", _SESSIONS, headers=mine))["items"]
        assert {first.session_id, second.session_id} <= {each["session_id"] for each in listed}
        assert [first.session_id] == [each["session_id"] for each in listed if each["current"]]
        ended = api.send("DELETE", f"{_SESSIONS}/{second.session_id}", headers=mine)
        assert 204 == ended.status
        refused_soon(api, "/api/v1/me", bearer(second.access.get_secret_value()))
        assert 200 == me(api, first.access.get_secret_value())
        assert 404 == api.send("DELETE", f"{_SESSIONS}/{second.session_id}", headers=mine).status

    def test_a_refresh_token_that_comes_back_late_ends_the_family(self, api: ApiHouse) -> None:
        """Issue 4.5: two exchanges late is theft; the session ends for both."""
        grant = api.grant("user", new=True)
        token = old = grant.refresh.get_secret_value()
        for _ in range(2):
            answer = api.send("POST", f"{_SESSIONS}/refresh", {"refresh_token": token})
            token = told(answer)["refresh_token"]
        access = told(answer)["access_token"]
        assert 200 == me(api, access)
        replayed = api.send("POST", f"{_SESSIONS}/refresh", {"refresh_token": old})
        assert (401, "session-refused") == (replayed.status, told(replayed)["code"])
        refused_soon(api, "/api/v1/me", bearer(access))
        after = api.send("POST", f"{_SESSIONS}/refresh", {"refresh_token": token})
        assert 401 == after.status

    def test_a_removed_member_is_out_with_the_next_request(self, api: ApiHouse) -> None:
        """Issue 4.5: a role taken away is taken away in every process, not in five minutes."""
        own = api.tenants["own"]
        invited = api.send(
            "POST", f"/api/v1/tenants/{own}/invitations", {"email": "new@example.com"}, who="admin"
        )
        assert 201 == invited.status
        password = PASSWORD.get_secret_value()
        taken = api.send(
            "POST",
            "/api/v1/invitations/take-up",
            {"token": told(invited)["token"], "password": password},
        )
        assert (200, own) == (taken.status, told(taken)["tenant_id"])
        body = {"email": "new@example.com", "password": password}
        granted = told(api.send("POST", f"{_IN}/password", body))
        headers = {"authorization": f"Bearer {granted['access_token']}"}
        assert 200 == api.send("GET", f"/api/v1/tenants/{own}/keys", headers=headers).status
        member = f"/api/v1/tenants/{own}/members/{granted['user_id']}"
        assert 204 == api.send("DELETE", member, who="admin").status
        refused_soon(api, f"/api/v1/tenants/{own}/keys", headers)
