"""Reports of leaked keys: signed by the reporter, each key revoked, nothing repeated."""

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterr.core.postgres import EmbeddedPostgres
from support.api_house import JSON, ApiHouse, shared_api_house, told
from support.simulator import Answer

_NAME = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"


@dataclass
class Reporter:
    """Somebody who scans for keys, and the server with their public key."""

    url: str
    key: ec.EllipticCurvePrivateKey
    asked: list[str]

    def headers(self, body: bytes, key: ec.EllipticCurvePrivateKey | None = None) -> dict[str, str]:
        signature = (key or self.key).sign(body, ec.ECDSA(SHA256()))
        return {
            **JSON,
            "github-public-key-identifier": _NAME,
            "github-public-key-signature": base64.b64encode(signature).decode(),
        }


@pytest.fixture(scope="module")
def reporter() -> Iterator[Reporter]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    published = {"public_keys": [{"key_identifier": _NAME, "key": pem, "is_current": True}]}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps(published).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's word
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Reporter(f"http://127.0.0.1:{server.server_port}/keys", key, asked)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def told_of_leaks(postgres: EmbeddedPostgres, reporter: Reporter) -> Iterator[ApiHouse]:
    settings = (
        f'[leaks]\npublic_keys_url = "{reporter.url}"\n[outbound]\nallow = ["127.0.0.1/32"]\n'
    )
    with shared_api_house(postgres, settings) as house:
        yield house


def report(at: ApiHouse, body: bytes, headers: dict[str, str]) -> Answer:
    return at.send("POST", "/v1/leaks", body, headers)


def body_of(*tokens: str) -> bytes:
    found = [
        {
            "token": token,
            "type": "meterr_api_key",
            "url": "https://x.example/1",
            "source": "content",
        }
        for token in tokens
    ]
    return json.dumps(found).encode()


class TestReports:
    def test_each_key_of_ours_is_revoked_and_labelled(
        self, told_of_leaks: ApiHouse, reporter: Reporter
    ) -> None:
        """Issue 4.11: the shape of GitHub's partner call; the answer has hashes and no keys."""
        leaked, kept = told_of_leaks.house.new_key(), told_of_leaks.house.new_key()
        stranger = "sk-meterr_live_" + "0" * 32
        body = body_of(leaked, stranger, "ghp_nothing_of_ours")
        answer = report(told_of_leaks, body, reporter.headers(body))
        assert 200 == answer.status, answer.body
        assert ["true_positive", "false_positive", "false_positive"] == [
            each["label"] for each in told(answer)
        ]
        assert {"token_hash", "token_type", "label"} == set(told(answer)[0])
        assert leaked.encode() not in answer.body
        models = "/v1/models"
        told_of_leaks.house.until(
            lambda: (
                told_of_leaks.send(
                    "GET", models, headers={"authorization": f"Bearer {leaked}"}
                ).status
                == 401
            )
        )
        good = {"authorization": f"Bearer {kept}"}
        assert 200 == told_of_leaks.send("GET", models, headers=good).status
        assert not [line for line in told_of_leaks.house.meterr.lines if leaked in line]

    def test_what_the_reporter_did_not_sign_is_refused(
        self, told_of_leaks: ApiHouse, reporter: Reporter
    ) -> None:
        """Issue 4.11: unsigned, wrongly signed, signed for another body: no key is revoked."""
        key = told_of_leaks.house.new_key()
        body = body_of(key)
        good = reporter.headers(body)
        other = ec.generate_private_key(ec.SECP256R1())
        for headers in (
            JSON,
            {**good, "github-public-key-signature": ""},
            {**good, "github-public-key-signature": "nonsense"},
            {**good, "github-public-key-signature": base64.b64encode(b"x" * 70).decode()},
            {**good, "github-public-key-identifier": "another"},
            {**good, "github-public-key-identifier": ""},
            reporter.headers(body, other),
            reporter.headers(body_of("x")),
        ):
            answer = report(told_of_leaks, body, headers)
            assert (401, "report-refused") == (answer.status, told(answer)["code"]), headers
        headers = {"authorization": f"Bearer {key}"}
        assert 200 == told_of_leaks.send("GET", "/v1/models", headers=headers).status

    def test_a_report_counts_once_and_has_an_end(
        self, told_of_leaks: ApiHouse, reporter: Reporter
    ) -> None:
        """Issue 4.11: replayed and oversized reports are refused; keys are fetched seldom."""
        body = body_of("sk-meterr_live_" + "1" * 32)
        assert 200 == report(told_of_leaks, body, reporter.headers(body)).status
        assert 401 == report(told_of_leaks, body, reporter.headers(body)).status
        large = b"[" + b" " * 1024 * 1024 + b"]"
        assert 413 == report(told_of_leaks, large, reporter.headers(large)).status
        many = body_of(*(["x"] * 1001))
        assert 400 == report(told_of_leaks, many, reporter.headers(many)).status
        for odd in (b"{}", b"[1]", b'[{"token":1}]', b"[", b"\xff"):
            assert 400 == report(told_of_leaks, odd, reporter.headers(odd)).status, odd
        assert 1 == len(reporter.asked)

    def test_a_key_found_in_many_places_is_one_event(
        self, told_of_leaks: ApiHouse, reporter: Reporter
    ) -> None:
        """Issue 4.11: one report is one leak of a key and one letter, at however many addresses."""
        key, other = told_of_leaks.house.new_key(), told_of_leaks.house.new_key()
        half = len(other) // 2
        body = body_of(*[key] * 19, f"token = {key}", other[:half], other[half:])

        answer = report(told_of_leaks, body, reporter.headers(body))

        assert ["true_positive"] * 20 + ["false_positive"] * 2 == [
            each["label"] for each in told(answer)
        ]
        with psycopg.connect(told_of_leaks.house.admin_dsn) as connection:
            events = connection.execute(
                """select k.last4, e.detail ->> 'occurrences' from meterr.security_event e
                     join meterr.api_key k on k.key_id::text = e.target_id
                    where e.kind = 'key.leaked' and k.last4 = any(%s)""",
                [[key[-4:], other[-4:]]],
            ).fetchall()
        assert [(key[-4:], "20")] == events

    def test_where_nobody_is_configured_nobody_reports(
        self, api: ApiHouse, reporter: Reporter
    ) -> None:
        """Issue 4.11: off unless configured."""
        body = body_of(api.house.key)
        answer = report(api, body, reporter.headers(body))
        assert (501, "not-configured") == (answer.status, told(answer)["code"])


def test_a_report_that_failed_is_taken_when_it_comes_again(
    told_of_leaks: ApiHouse, reporter: Reporter
) -> None:
    """P5: a leaked key is not left alive because the first try met a fault of the database."""
    house = told_of_leaks.house
    key = house.new_key()
    body = body_of(key)
    headers = reporter.headers(body)
    with psycopg.connect(house.admin_dsn, autocommit=True) as fault:
        fault.execute("revoke select on meterr.key_for_authentication from meterr_auth")
        try:
            failed = report(told_of_leaks, body, headers)
        finally:
            fault.execute("grant select on meterr.key_for_authentication to meterr_auth")
    assert failed.status >= 500

    again = report(told_of_leaks, body, headers)

    assert ["true_positive"] == [each["label"] for each in told(again)]
