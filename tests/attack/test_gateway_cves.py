"""The published attacks on LLM gateways, replayed against a running meterr: one test each."""

import hashlib
import importlib.metadata
import json
import re
import select
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from meterr.core.policy import Actor
from meterr.core.principal import Principal
from support.api_house import REASON, ApiHouse, email_of, told
from support.api_routes import described
from support.people import PASSWORD
from support.replays import (
    CHAT,
    MODEL_PATHS,
    PACKAGE,
    SPELLINGS,
    begun,
    counted,
    made,
    own,
    raw,
    refused_everywhere,
    rows,
    runs_text,
    works,
)


class TestRoutesAndNames:
    def test_01_a_crafted_host_changes_no_path(self, attacked: ApiHouse) -> None:
        """CVE-2026-48710 "BadHost": the matched route is authorised, never a URL made up."""
        for host in (
            "localhost/api/v1/openapi.json?",
            "localhost/api/v1/openapi.json#",
            "localhost:80/healthz?x=",
            "localhost@evil.example",
            "evil.example",
            "localhost/../..",
            "localhost\\healthz",
            "[::1]/healthz",
        ):
            head = f"GET /api/v1/platform/tenants HTTP/1.1\r\nhost: {host}\r\n\r\n"
            assert re.match(r"HTTP/1\.1 (400|421) ", raw(attacked, head)), host
        for name in ("x-forwarded-host", "x-original-url", "x-rewrite-url", "x-forwarded-prefix"):
            headers = {name: "/api/v1/openapi.json"}
            answer = attacked.send("GET", "/api/v1/platform/tenants", headers=headers)
            assert 401 == answer.status, name

    def test_02_no_key_is_made_without_a_session(self, attacked: ApiHouse) -> None:
        """CVE-2026-49468, GHSA-4xpc-pv4p-pm3w: unauthenticated key generation by another path."""
        before = counted(attacked)
        path = own(attacked, "/keys")
        body = json.dumps({"name": "x", "scopes": ["chat"]})
        for target in (
            path,
            f"/api/v1/openapi.json/..{path}",
            f"//localhost{path}",
            f"http://localhost{path}",
            f"{path}/",
            f"{path};x=/healthz",
            path.replace("/keys", "/%6beys"),
            path.upper(),
            f"/healthz?{path}",
            "/key/generate",
        ):
            head = (
                f"host: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
            )
            status = raw(attacked, f"POST {target} HTTP/1.1\r\n{head}\r\n\r\n{body}").split()[1]
            assert status in {"400", "401", "404", "405"}, target
        assert before == counted(attacked)

    def test_13_every_critical_function_asks_who_calls(self, attacked: ApiHouse) -> None:
        """CVE-2026-12795: the inventory of routes; what is open is this list and no more."""
        opened = set()
        for route in described(attacked):
            answer = attacked.send(route.method, route.path(attacked.tenants["own"]) + "?probe=1")
            if answer.status != 401:
                opened.add(route.template)
        assert {
            "/api/v1/openapi.json",
            "/api/v1/invitations/take-up",
            "/api/v1/key-claims/collect",
            "/v1/leaks",
            "/api/v1/sessions/refresh",
            "/api/v1/sessions/sign-out",
            *(f"/api/v1/sign-in/{step}" for step in ("password", "totp", "recovery-code")),
            *(f"/api/v1/sign-in/{step}" for step in ("passkey", "passkey/begin")),
            *(f"/api/v1/sign-in/enrolment/{step}" for step in ("totp", "totp/begin")),
            *(f"/api/v1/sign-in/enrolment/{step}" for step in ("passkey", "passkey/begin")),
        } == opened

    def test_15_nobody_lists_people_but_who_administers_them(self, attacked: ApiHouse) -> None:
        """CVE-2026-12799, CVE-2025-0628: a user reads no list of people, by any route."""
        others = [email_of(name).encode() for name in attacked.users if name != "user"]
        for route in described(attacked):
            if route.method == "GET":
                answer = attacked.send("GET", route.path(attacked.tenants["own"]), who="user")
                assert not [email for email in others if email in answer.body], route.name
        for path in (own(attacked, "/members"), "/api/v1/platform/users"):
            assert 403 == attacked.send("GET", path, who="user").status
        assert 403 == attacked.send("GET", "/api/v1/platform/users", who="admin").status
        assert 200 == attacked.send("GET", own(attacked, "/members"), who="admin").status


class TestCredentials:
    def test_03_an_authorization_header_reaches_no_statement(self, attacked: ApiHouse) -> None:
        """CVE-2026-42208, GHSA-r75f-5x8p-qvmc: SQL in the Authorization header."""
        before = counted(attacked)
        key = attacked.house.key
        for text in (
            "' OR '1'='1",
            "x'; DROP TABLE meterr.api_key; --",
            f"{key}' OR 1=1 --",
            f"{key[:-1]}'",
            "sk-meterr_live_' UNION SELECT 1 --aaaaaaaaaaaaa",
            "$$; SELECT pg_sleep(10); $$",
            "\\x27 OR 1=1",
        ):
            for headers in ({"authorization": f"Bearer {text}"}, {"x-api-key": text}):
                answers = [attacked.send("POST", path, CHAT, headers) for path in MODEL_PATHS]
                answers.append(attacked.send("GET", "/api/v1/me", headers=headers))
                assert {401} == {answer.status for answer in answers}, text
                assert not [each for each in answers if b"SELECT" in each.body]
        assert before == counted(attacked)

    def test_05_what_cannot_be_verified_is_nobody(self, attacked: ApiHouse) -> None:
        """CVE-2026-59822, GHSA-7488-6r32-c95q: no empty principal in the place of an error."""
        for kind in (Principal, Actor):
            with pytest.raises(TypeError):
                kind()
        jwt = attacked.token("admin")
        for text in ("", "null", "undefined", "{}", "[]", "oauth2", jwt + "x", "a.b.c", "e30.e30."):
            headers = {"authorization": f"Bearer {text}"}
            for path in MODEL_PATHS:
                assert 401 == attacked.send("POST", path, CHAT, headers).status, text
            assert 401 == attacked.send("GET", "/api/v1/me", headers=headers).status, text

    def test_06_a_token_is_known_by_all_of_it(self, attacked: ApiHouse) -> None:
        """CVE-2026-35030, GHSA-jjhc-v7c2-5hh6: a cache keyed by the first characters of a token."""
        token, key = attacked.token("admin"), attacked.house.key
        good = {"authorization": f"Bearer {token}"}
        assert 200 == attacked.send("GET", "/api/v1/me", headers=good).status
        assert 200 == works(attacked, key)
        for kept in range(20, len(token), 40):
            forged = token[:kept] + "".join("A" if c != "A" else "B" for c in token[kept:])
            headers = {"authorization": f"Bearer {forged}"}
            assert 401 == attacked.send("GET", "/api/v1/me", headers=headers).status
        for kept in range(20, len(key)):
            forged = key[:kept] + "".join("a" if c != "a" else "b" for c in key[kept:])
            assert 401 == works(attacked, forged)

    def test_10_a_stored_hash_is_shown_to_nobody_and_opens_nothing(
        self, attacked: ApiHouse
    ) -> None:
        """GHSA-69x8-hrgq-fjj8: password hashes exposed, and good as passwords."""
        hashes = [str(row[0]) for row in rows(attacked, "select hash from meterr.user_password")]
        assert all(each.startswith("$argon2id$") for each in hashes)
        with psycopg.connect(attacked.house.database_url) as connection:
            connection.execute("set role meterr_app")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("select hash from meterr.user_password")
        for each in hashes:
            body = {"email": email_of("user"), "password": each}
            elsewhere = {"x-forwarded-for": "198.51.100.9"}
            answer = attacked.send("POST", "/api/v1/sign-in/password", body, elsewhere)
            assert answer.status in {401, 429}
        macs = [bytes(row[0]).hex() for row in rows(attacked, "select mac from meterr.api_key")]
        for route in described(attacked):
            if route.method == "GET":
                for who in ("admin", "super-admin"):
                    answer = attacked.send("GET", route.path(attacked.tenants["own"]), who=who)
                    assert b"$argon2" not in answer.body, route.name
                    assert not [mac for mac in macs if mac.encode() in answer.body], route.name

    def test_11_a_refusal_for_its_rate_says_nothing_of_the_key(self, attacked: ApiHouse) -> None:
        """LiteLLM issue #27884: the 429's body had the full SHA-256 of the key."""
        secret, key_id = made(attacked)
        limit = {"measure": "requests", "holder": "key", "span": "minute", "amount": "1"}
        limits = own(attacked, "/limits")
        rule = attacked.send("POST", limits, {**limit, "subject": key_id}, who="admin")
        assert 200 == rule.status, rule.body
        headers = {"authorization": f"Bearer {secret}"}
        found = []
        attacked.house.until(
            lambda: (
                bool(found.append(attacked.send("POST", MODEL_PATHS[0], CHAT, headers)))
                or found[-1].status == 429
            )
        )
        mac = rows(attacked, f"select mac from meterr.api_key where key_id = '{key_id}'")[0][0]
        said = found[-1].body.decode() + json.dumps(dict(found[-1].headers))
        digest = hashlib.sha256(secret.encode()).hexdigest()
        for traced in (secret, digest, digest[:16], bytes(mac).hex()):
            assert traced not in said

    def test_16_no_spelling_of_a_credential_is_a_way_around(self, attacked: ApiHouse) -> None:
        """CVE-2026-12773: a bypass in the path that reads the caller's credential."""
        for name in ("authorization", "x-api-key"):
            for value in SPELLINGS:
                head = f"host: localhost\r\n{name}: {value}\r\n"
                for target in ("/api/v1/me", "/v1/models"):
                    status = raw(attacked, f"GET {target} HTTP/1.1\r\n{head}\r\n").split()[1]
                    assert status in {"400", "401", "431"}, (name, value, target)
        doubled = f"authorization: Bearer {attacked.token('admin')}\r\nauthorization: Bearer x\r\n"
        status = raw(attacked, f"GET /api/v1/me HTTP/1.1\r\nhost: localhost\r\n{doubled}\r\n")
        assert "400" == status.split()[1]


class TestGrants:
    def test_07_a_key_gets_nothing_that_its_maker_may_not_give(self, attacked: ApiHouse) -> None:
        """CVE-2026-47101: allowed_routes stored as supplied."""
        for terms in (
            {"allowed_routes": ["*"]},
            {"scopes": ["*"]},
            {"scopes": ["admin"]},
            {"scopes": ["tenant:key:create"]},
            {"permissions": ["platform:tenant:read"]},
        ):
            body = {"name": "x", "scopes": ["chat"], **terms}
            answer = attacked.send("POST", own(attacked, "/keys"), body, who="admin")
            assert 400 == answer.status, terms
        body = {"name": "x", "scopes": ["chat"]}
        assert 403 == attacked.send("POST", own(attacked, "/keys"), body, who="user").status
        secret, _ = made(attacked, scopes=["models"])
        assert 403 == works(attacked, secret)
        headers = {"authorization": f"Bearer {secret}"}
        assert 401 == attacked.send("GET", own(attacked, "/keys"), headers=headers).status

    def test_08_nobody_writes_a_role_along_with_something_else(self, attacked: ApiHouse) -> None:
        """CVE-2026-47102: user_role writable in /user/update."""
        before = rows(attacked, "select user_id, tenant_id, role from meterr.membership order by 1")
        bodies: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("PUT", "/api/v1/me/password", {"current": "x", "new": "y"}),
            ("POST", own(attacked, "/invitations"), {"email": "z@example.com"}),
            ("POST", "/api/v1/invitations/take-up", {"token": "x", "password": "y"}),
            ("POST", "/api/v1/sign-in/password", {"email": "x@example.com", "password": "y"}),
            ("POST", own(attacked, "/keys"), {"name": "x", "scopes": ["chat"]}),
        )
        for method, path, body in bodies:
            for field in ("role", "user_role", "roles", "is_admin", "joins_as"):
                sent = {**body, field: "super_admin"}
                answer = attacked.send(method, path, sent, who="admin")
                assert (400, field) == (answer.status, told(answer)["param"]), (path, field)
        member = own(attacked, f"/members/{attacked.users['user']}/role")
        assert 403 == attacked.send("PUT", member, {"role": "admin"}, who="user").status
        mine = own(attacked, f"/members/{attacked.users['admin']}/role")
        assert 400 == attacked.send("PUT", mine, {"role": "super_admin"}, who="admin").status
        for method in ("PUT", "PATCH", "POST"):
            answer = attacked.send(method, "/api/v1/me", {"role": "admin"}, who="user")
            assert 405 == answer.status
        after = rows(attacked, "select user_id, tenant_id, role from meterr.membership order by 1")
        assert before == after

    def test_14_a_rule_holds_on_every_way_in(self, attacked: ApiHouse) -> None:
        """CVE-2026-12797: a guardrail that only matched the synchronous call type."""
        secret, _ = made(attacked, scopes=["chat", "embeddings"], models=["o3-allowed"])
        before = len(attacked.house.received())
        calls: tuple[tuple[str, dict[str, Any]], ...] = (
            (MODEL_PATHS[0], CHAT),
            (MODEL_PATHS[1], {"model": "text-embedding-3-small", "input": "x"}),
            (MODEL_PATHS[2], {"model": "gpt-4o-mini", "input": "x"}),
            (MODEL_PATHS[3], {**CHAT, "model": "claude-haiku-4-5", "max_tokens": 9}),
            (MODEL_PATHS[4], {**CHAT, "model": "claude-haiku-4-5"}),
        )
        for path, body in calls:
            for stream in (None, False, True):
                sent = body if stream is None else {**body, "stream": stream}
                for headers in ({"authorization": f"Bearer {secret}"}, {"x-api-key": secret}):
                    answer = attacked.send("POST", path, sent, headers)
                    assert answer.status in {403, 404}, (path, stream, answer.body)
        assert before == len(attacked.house.received())

    def test_17_a_revoked_key_stays_revoked_in_every_process(self, attacked: ApiHouse) -> None:
        """LiteLLM issues #25553, #9820, #2149: a cache writes the revoked key back."""
        secret, key_id = made(attacked)
        headers = {"authorization": f"Bearer {secret}"}
        assert 2 == len(attacked.house.gateway_pids)
        assert {200} == {works(attacked, secret) for _ in range(20)}  # warm in both
        path = own(attacked, f"/keys/{key_id}")
        assert 200 == attacked.send("POST", f"{path}/revoke", who="admin").status
        attacked.house.until(lambda: all(works(attacked, secret) == 401 for _ in range(8)))
        # What would write it back: reads, and changes of what it hangs on.
        for _ in range(10):
            assert 200 == attacked.send("GET", path, who="admin").status
            limit = {"measure": "requests", "holder": "key", "span": "minute", "amount": "5"}
            attacked.send(
                "POST", own(attacked, "/limits"), {**limit, "subject": key_id}, who="admin"
            )
            statuses = {attacked.send("POST", p, CHAT, headers).status for p in MODEL_PATHS}
            assert {401} == statuses

    def test_18_a_grace_that_was_granted_is_given_and_ends(self, attacked: ApiHouse) -> None:
        """LiteLLM issue #27193: the row of the grace was written, and the old key refused."""
        for grace_s in (0, 3600):
            old, key_id = made(attacked)
            asked = {"reason": REASON, "grace_s": grace_s}
            rotated = attacked.send(
                "POST", own(attacked, f"/keys/{key_id}/rotate"), asked, who="admin"
            )
            new = told(rotated)["new"]["secret"]
            assert {200} == {works(attacked, new) for _ in range(8)}
            if grace_s:
                assert {200} == {works(attacked, old) for _ in range(8)}
            else:
                attacked.house.until(lambda: all(works(attacked, old) == 401 for _ in range(8)))  # noqa: B023 - called here


class TestSessions:
    def test_12_old_sessions_end_when_their_owner_says_so(self, attacked: ApiHouse) -> None:
        """CVE-2026-12796, CVE-2026-12772: a new sign-in leaves old sessions valid for ever."""
        path = own(attacked, "/invitations")
        invited = told(attacked.send("POST", path, {"email": "twelve@example.com"}, who="admin"))
        password = PASSWORD.get_secret_value()
        taken = {"token": invited["token"], "password": password}
        assert 200 == attacked.send("POST", "/api/v1/invitations/take-up", taken).status
        old, here = begun(attacked, "twelve@example.com"), begun(attacked, "twelve@example.com")
        assert 2 == len(told(attacked.send("GET", "/api/v1/sessions", headers=here))["items"])
        ended = attacked.send("DELETE", "/api/v1/sessions?but_here=true", headers=here)
        assert {"ended": 1} == told(ended)
        attacked.house.until(lambda: refused_everywhere(attacked, old))
        assert 200 == attacked.send("GET", "/api/v1/me", headers=here).status
        change = {"current": password, "new": "copper ladder violin harbour"}
        assert 204 == attacked.send("PUT", "/api/v1/me/password", change, here).status
        attacked.house.until(lambda: refused_everywhere(attacked, here))


class TestCodeAndConnections:
    def test_04_no_request_starts_a_program(self, attacked: ApiHouse) -> None:
        """CVE-2026-42271: "test connection" spawned the caller's command, with any key."""
        names = set(
            re.findall(r'"(\w+)":', attacked.send("GET", "/api/v1/openapi.json").body.decode())
        )
        assert "scopes" in names
        assert set() == names & {"command", "args", "cmd", "argv", "shell", "executable", "env"}
        family = [psutil.Process(pid) for pid in attacked.house.gateway_pids]
        for path in ("/mcp-rest/test/connection", "/api/v1/test", own(attacked, "/keys")):
            body = {"name": "x", "command": "touch", "args": ["/tmp/owned"], "transport": "stdio"}
            for who in ("user", "admin"):
                assert attacked.send("POST", path, body, who=who).status >= 400
            headers = {"authorization": f"Bearer {attacked.house.key}"}
            assert attacked.send("POST", path, body, headers).status >= 400
        assert [] == [child for each in family for child in each.children(recursive=True)]

    def test_09_no_text_of_anybody_is_run(self, attacked: ApiHouse) -> None:
        """CVE-2026-40217: exec() of guardrail code; here nothing runs what somebody wrote."""
        served = [PACKAGE / room for room in ("core", "identity", "ledger", "gateway", "app")]
        files = [path for room in served for path in room.rglob("*.py")]
        assert 200 < len(files)
        assert [] == [found for path in files for found in runs_text(path.read_text(), path.name)]
        assert ["x:1 eval"] == list(runs_text("eval(text)", "x"))
        code = "__import__('os').system('id')"
        secret, key_id = made(attacked, name=code)
        shown = told(attacked.send("GET", own(attacked, f"/keys/{key_id}"), who="admin"))
        assert (code, 200) == (shown["name"], works(attacked, secret))

    def test_19_what_is_installed_runs_nothing_by_being_there(self) -> None:
        """LiteLLM 1.82.7 and 1.82.8 on PyPI: a .pth file that runs at every start of Python."""
        assert [] == [path for path in PACKAGE.rglob("*") if path.suffix == ".pth"]
        installed = importlib.metadata.distribution("meterr")
        for file in installed.files or ():
            if file.suffix == ".pth":  # of an editable installation: a path, and no statement
                lines = Path(str(file.locate())).read_text().splitlines()
                assert [] == [line for line in lines if line.startswith(("import", "exec"))]
        root = Path(__file__).parents[2]
        locked = (root / "requirements" / "run.txt").read_text()
        pins = re.split(r"\n(?=[A-Za-z0-9])", locked[locked.index("\n") + 1 :])
        packages = [pin for pin in pins if "==" in pin]
        assert 40 < len(packages)
        assert [] == [pin for pin in packages if "--hash=sha256:" not in pin]

    def test_20_no_caller_chooses_where_a_call_goes(self, attacked: ApiHouse) -> None:
        """CVE-2024-6587: SSRF, and the provider's key with it, by a caller-set address."""
        with closing(socket.create_server(("127.0.0.1", 0))) as trap:
            url = f"http://127.0.0.1:{trap.getsockname()[1]}"
            for field in ("api_base", "base_url", "api_url", "endpoint", "custom_llm_provider"):
                headers = {
                    "authorization": f"Bearer {attacked.house.key}",
                    f"x-{field.replace('_', '-')}": url,
                    "x-forwarded-host": url.removeprefix("http://"),
                    "helicone-target-url": url,
                }
                answer = attacked.send("POST", MODEL_PATHS[0], {**CHAT, field: url}, headers)
                assert answer.status < 500
                proxied = attacked.send("POST", f"{MODEL_PATHS[0]}?{field}={url}", CHAT, headers)
                assert proxied.status < 500
            target = f"POST {url}/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\r\n"
            assert "400" == raw(attacked, target).split()[1]
            ready, _, _ = select.select([trap], [], [], 0)
            assert [] == ready
