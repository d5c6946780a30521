"""The redaction sink: a credential in any field of any line is taken out before it is written."""

import json
import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.clock import SystemClock
from meterr.core.masking import Masker
from meterr.core.redaction import Redactor
from meterr.core.telemetry import Event, EventLine, Level, RequestLine, Telemetry

KEY = "sk-meterr_live_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0x"
CANARY = 'canary "quoted" \\ sécret'
MASKER = Masker(b"0123456789abcdef")
CREDENTIALS = [
    f"x{KEY}y",
    "mk1.k20261122-1f2e.0123456789abcdefghij0123456789abcdefghijABC",
    "meterr_claim_0123456789abcdefghij0123456789abcdefghijABC",
    "meterr_refresh_0123456789abcdefghij0123456789abcdefghijABC",
    "meterr_challenge_0123456789abcdefghij0123456789abcdefghijABC",
    KEY[:-8],
    "sk-proj-0123456789abcdefghij",
    "sk-ant-api03-0123456789abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "AIza0123456789abcdefghijklmnopqrstuvwxyz",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "xoxb-0123456789-abcdef",
    "hvs.0123456789abcdefghijkl",
    "dp.st.0123456789abcdefghijkl",
    "hf_0123456789abcdefghijklmnop",
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "AGE-SECRET-KEY-1QQQQQQQQQQQQ",
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----",
    "Bearer 0123456789",
    "BEARER\t0123456789",
    "basic dXNlcjpwYXNzd29yZA==",
    "postgresql://user:hunter2hunter2@db/meterr",
]
# As JSON writes them: the last letter of an escape is no letter of a word.
AHEAD = '\n\t\r\x07"\\'
ADDRESSES = [
    ("ada@example.com", "a***"),
    ("Ada.Lovelace+meterr@mail.example.com", "a***"),
    ("al@example.com", "***"),
    ("älice@bücher.example", "***"),
    ("ada_@xn--bcher-kva.example", "a***"),
    ("a" * 400 + "@example.com", "***"),
]
INNOCENT = [
    "gpt-5.4-mini-2026-03-01",
    "task-runner-with-a-long-name",
    "risk-score-of-the-whole-portfolio",
    "sk-meterr_live_…x9Kp",
    "ft:gpt-3.5-turbo:org::id",
    "0193a1b2-1111-7222-8333-444455556666",
    "https://api.openai.com/v1",
    "claude-sonnet-5@20260101",
    "publishers/google/models/gemini@v1.2",
    "root@localhost",
    "@cf/meta/llama-3",
    "a@.b",
    "key-revoked",
    "gateway/upstream/pool.py:UpstreamPool.send:118",
    "bearer of news",
    "basic authentication",
    "fw-a-model-with-a-rather-long-name",
]


def written(line: RequestLine | EventLine, *secrets: str) -> bytes:
    """Return what a sink with these secrets writes of a line."""
    reading, writing = os.pipe()
    telemetry = Telemetry(SystemClock(), fd=writing, redactor=Redactor(secrets))
    if isinstance(line, RequestLine):
        telemetry.request(line)
    else:
        telemetry.event(Level.ERROR, line)
    os.close(writing)
    with os.fdopen(reading, "rb") as reader:
        return reader.read()


def request_line(**fields: str) -> RequestLine:
    return msgspec.structs.replace(RequestLine("id", "POST", "r", 200, 1.0), **fields)


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("field", ["model", "upstream", "reason", "tenant_id"])
def test_a_credential_in_any_field_of_a_request_line_is_taken_out(
    credential: str, field: str
) -> None:
    """S1:205, P6: masking at each call forgets one; the sink forgets none."""
    for text in (credential, f"before {credential} after", *(f"a{c}{credential}" for c in AHEAD)):
        line = written(request_line(**{field: text}))
        shown = json.loads(line)[field]
        assert "[redacted]" in shown
        assert credential not in shown
        assert all(piece not in line for piece in (b"abcdefghij", b"hunter2", b"MHcC", b"4iJ5kL6m"))


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_an_event_line_is_looked_at_as_well(credential: str) -> None:
    """S1:205: no kind of line is outside."""
    line = written(EventLine(event=Event.UNEXPECTED_ERROR, message=credential, where=credential))
    assert credential not in json.loads(line)["message"]
    assert b"[redacted]" in line


@pytest.mark.parametrize("text", [KEY, f"before {KEY} after", f"\n{KEY}"])
def test_a_key_of_ours_keeps_its_last_four_so_that_it_can_be_revoked(text: str) -> None:
    """S1:195: what lists show of a key, and nothing of any other text."""
    expected = text.replace(KEY, "sk-meterr_live_…sT0x")
    assert expected == json.loads(written(request_line(model=text)))["model"]


@pytest.mark.parametrize(("address", "shown"), ADDRESSES)
def test_an_address_in_any_line_is_masked_and_still_correlates(address: str, shown: str) -> None:
    """S1:189, S1:205: at the sink, whoever wrote the line, and the same one for each spelling."""
    for text in (f"tenant={address} key_id=1", f"\n{address}", f"<{address}>", f"x {address}, y"):
        line = Redactor(masker=MASKER).line(msgspec.json.encode({"message": text}))
        expected = text.replace(address, MASKER.email(address))
        assert expected == json.loads(line)["message"]
        assert MASKER.email(address).startswith(f"{shown}~")
    assert MASKER.email(address) == MASKER.email(address.upper())


def test_addresses_are_masked_also_where_nobody_gave_a_key() -> None:
    """S1:189: a process without a pepper shows less, not more."""
    assert "a***" == json.loads(written(request_line(model="ada@example.com")))["model"]


@pytest.mark.parametrize("text", INNOCENT)
def test_an_honest_line_stays_as_it_is(text: str) -> None:
    """A net that catches model names would be switched off within a week."""
    assert text == json.loads(written(request_line(model=text)))["model"]


def test_an_exact_secret_is_taken_out_wherever_it_stands() -> None:
    """P6: the process's own credentials and a canary, whatever their shape."""
    line = written(request_line(model=f"a {CANARY} b"), CANARY)
    assert "a [redacted] b" == json.loads(line)["model"]
    assert "[redacted]" not in json.loads(written(request_line(model=CANARY)))["model"]


def test_a_secret_that_a_process_comes_to_know_is_taken_out_from_then_on() -> None:
    """P6: a credential that was stored while the gateway ran is one of its own."""
    reading, writing = os.pipe()
    telemetry = Telemetry(SystemClock(), fd=writing)
    for secret in (CANARY, CANARY, "another canary of it"):
        telemetry.redact(secret)
    telemetry.request(request_line(model=f"{CANARY} and another canary of it"))
    os.close(writing)
    with os.fdopen(reading, "rb") as reader:
        assert "[redacted] and [redacted]" == json.loads(reader.read())["model"]


def test_a_short_secret_is_no_word_to_search_for() -> None:
    """A credential of `test` must not take the word out of every line."""
    assert "latest" == json.loads(written(request_line(model="latest"), "test"))["model"]


@given(st.text(), st.sampled_from([*CREDENTIALS, KEY, "ada@example.com"]), st.text())
def test_a_line_stays_json_whatever_surrounds_a_credential(
    before: str, credential: str, after: str
) -> None:
    """A log line that no tool can read is lost, and a credential beside quotes is still one."""
    text = before.encode("utf-8", "replace").decode() + "\n" + credential + " "
    text += after.encode("utf-8", "replace").decode()
    shown = json.loads(Redactor().line(msgspec.json.encode({"model": text})))["model"]
    assert credential not in shown


@given(st.binary())
def test_no_bytes_make_it_fail(line: bytes) -> None:
    """A sink that raises would turn a log line into a failed call."""
    assert isinstance(Redactor([CANARY], MASKER).line(line), bytes)


def test_it_renders_no_secret() -> None:
    """P6: the net itself knows every secret of the process."""
    assert "<Redactor>" == repr(Redactor([CANARY]))
