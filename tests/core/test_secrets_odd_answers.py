"""What a place of secrets may say that is no answer: each is an error of ours, and repeats none."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from meterr.core.secrets import AwsAccess, SecretRefused, SecretUnavailable, VaultAccess
from meterr.core.secrets.library import aws_backend, vault_backend
from support.vault_stub import TOKEN, VaultStub, vault

PLACE = "secret/data/meterr"
CANARY = "sk-canary-0123456789"
JSON = {"Content-Type": "application/json"}
AMZ = {"Content-Type": "application/x-amz-json-1.1"}
SHAPES = [b"[]", b'["%b"]', b'"%b"', b"null", b"1", b'{"errors": "%b"}', b'{"__type": "%b"}',
          b'{"__type": ["%b"]}', b"<html>%b</html>", b'{"data": ' + b"[" * 100_000]  # fmt: skip
BODIES = [shape.replace(b"%b", CANARY.encode()) for shape in SHAPES]

STATUSES = (200, 400, 503)
"""Of success, of a refusal, of an outage."""


@pytest.fixture
def stub() -> Iterator[VaultStub]:
    with vault() as running:
        yield running


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of AWS, and none of whoever runs the tests."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)


def refusal(
    stub: VaultStub, token: str = TOKEN, **more: str
) -> pytest.ExceptionInfo[SecretRefused | SecretUnavailable]:
    """Read from Vault; return the error, which must be one of ours."""
    access = VaultAccess(
        stub.address, token=lambda: token, secret_id=lambda: CANARY, timeout_s=20, **more
    )
    with pytest.raises((SecretRefused, SecretUnavailable)) as refused:
        vault_backend(access).read(PLACE)
    return refused


def assert_ours(
    refused: pytest.ExceptionInfo[SecretRefused | SecretUnavailable], setting: str
) -> None:
    """Hold that an error names ``setting`` and carries nothing of a library or of an answer."""
    assert setting in str(refused.value)
    assert CANARY not in str(refused.value)
    assert (None, None) == (refused.value.__cause__, refused.value.__context__)
    assert CANARY not in str(vars(refused.value))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_whatever_vault_says_is_an_answer_or_an_error_of_ours(
    stub: VaultStub, status: int, body: bytes
) -> None:
    """Issue 4, item 7: the library falls over bodies that are no object. P6: none is repeated."""
    stub.answer = (status, JSON, body)
    assert_ours(refusal(stub), "secrets.vault_")


@pytest.mark.parametrize("status", [403, 503])
def test_an_odd_body_does_not_turn_a_refusal_into_an_outage(stub: VaultStub, status: int) -> None:
    """Only an outage may be bridged with an old value; the status says which it is."""
    stub.answer = (status, JSON, b"[]")
    assert (SecretRefused if status == 403 else SecretUnavailable) is refusal(stub).type


@pytest.mark.parametrize(
    ("status", "headers", "body", "told"),
    [
        (200, {"Content-Type": "text/html"}, b"<html>portal</html>", "none of Vault's"),
        (200, JSON, b"{}", "none of Vault's"),
        (200, JSON, b'{"auth": null}', "none of Vault's"),
        (200, JSON, b'{"auth": {"client_token": 1}}', "none of Vault's"),
        (200, JSON, b"[]", "none of Vault's"),
        (204, {}, b"", "none of Vault's"),
        (302, {"Location": "http://127.0.0.1:9/"}, b"", "redirects are not followed"),
        (400, JSON, b'{"errors": ["%b"]}' % CANARY.encode(), "secrets.vault_secret_id"),
        (503, JSON, b"null", "status 503"),
    ],
)  # fmt: skip
def test_a_login_of_an_app_role_that_is_none_is_told_like_a_read(
    stub: VaultStub, status: int, headers: Mapping[str, str], body: bytes, told: str
) -> None:
    """Whoever reads the error learns what to look at, whichever step it was."""
    stub.answer = (status, dict(headers), body)
    refused = refusal(stub, token="", role_id="role")
    assert told in str(refused.value)
    assert_ours(refused, "secrets.vault_")
    assert ["POST"] == [asked.method for asked in stub.asked]


@pytest.mark.parametrize("odd", [f"{CANARY}\nx: y", f"{CANARY}ł", f"{CANARY} x", f"{CANARY}\x7f"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_told(
    stub: VaultStub, odd: str
) -> None:
    """P6: the library's own error would quote the header."""
    refused = refusal(stub, odd)
    assert_ours(refused, "secrets.vault_token")
    assert [] == stub.asked


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_whatever_aws_says_is_an_answer_or_an_error_of_ours(
    credentials: None, stub: VaultStub, status: int, body: bytes
) -> None:
    """Issue 4, item 7, P6: the same for the other library, whose errors quote the answer."""
    stub.answer = (status, AMZ, body)
    with pytest.raises((SecretRefused, SecretUnavailable)) as refused:
        aws_backend(AwsAccess("eu-central-1", stub.address, timeout_s=20)).read("a")
    assert_ours(refused, "aws:a")
