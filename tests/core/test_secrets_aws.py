"""AWS Secrets Manager through the real boto3: moto for what AWS says, sockets for what fails."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from meterr.core.secrets import AwsAccess, SecretRefused, SecretUnavailable
from meterr.core.secrets.library import aws_backend
from support.vault_stub import vault

REGION = "eu-central-1"
CANARY = "sk-canary-2"


@pytest.fixture(autouse=True)
def away_from_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No profile, variable or instance role of whoever runs the tests is looked at."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-canary")


@pytest.fixture
def manager(credentials: None) -> Iterator[object]:
    with mock_aws():
        yield boto3.session.Session().client("secretsmanager", region_name=REGION)


def test_a_secret_is_read_by_name_and_by_arn_with_its_version(manager) -> None:
    """Issue 4, item 7: the current version, and its id for the record."""
    made = manager.create_secret(Name="prod/meterr", SecretString=json.dumps({"openai": CANARY}))
    for place in ("prod/meterr", made["ARN"]):
        document = aws_backend(AwsAccess(REGION)).read(place)
        assert {"openai": CANARY} == json.loads(document.content)
        assert made["VersionId"] == document.version


def test_a_rotated_secret_gives_its_new_version(manager) -> None:
    """What a rotation does."""
    manager.create_secret(Name="pepper", SecretString="old")
    changed = manager.put_secret_value(SecretId="pepper", SecretString="new")
    document = aws_backend(AwsAccess(REGION)).read("pepper")
    assert ("new", changed["VersionId"]) == (document.content, document.version)


def test_a_missing_a_deleted_and_a_binary_secret_are_refused(manager) -> None:
    """`No` is an answer."""
    manager.create_secret(Name="deleted", SecretString="x")
    manager.delete_secret(SecretId="deleted")
    manager.create_secret(Name="binary", SecretBinary=b"x")
    for place, why in (("missing", "no such secret"), ("deleted", ""), ("binary", "binary")):
        with pytest.raises(SecretRefused, match=f"aws:{place}: .*{why}"):
            aws_backend(AwsAccess(REGION)).read(place)


def test_without_credentials_or_region_the_error_says_what_to_do() -> None:
    """Issue 2, bad input: the way out."""
    with pytest.raises(SecretRefused, match="no AWS credentials"):
        aws_backend(AwsAccess(REGION)).read("a")
    with pytest.raises(SecretRefused, match=r"secrets\.aws_region"):
        aws_backend(AwsAccess()).read("a")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "AccessDeniedException", SecretRefused),
        (400, "DecryptionFailure", SecretRefused),
        (400, "UnrecognizedClientException", SecretRefused),
        (400, "ThrottlingException", SecretUnavailable),
        (500, "InternalServiceError", SecretUnavailable),
        (503, "ServiceUnavailable", SecretUnavailable),
    ],
)
def test_no_and_not_now_are_told_apart(
    credentials: None, status: int, code: str, kind: type[Exception]
) -> None:
    """Issue 4, item 7: only an outage may be bridged with an old value; over a real socket."""
    with vault() as stub:  # any HTTP server that answers as it is told
        body = json.dumps({"__type": code, "message": "testing-canary"}).encode()
        stub.answer = (status, {"Content-Type": "application/x-amz-json-1.1"}, body)
        with pytest.raises(kind) as refused:
            aws_backend(AwsAccess(REGION, stub.address, timeout_s=5)).read("prod/meterr")
    assert "aws:prod/meterr" in str(refused.value)
    assert "testing-canary" not in str(refused.value)


def test_nobody_there_is_an_outage(credentials: None) -> None:
    """DESIGN 7: a part that fails has its own answer."""
    with vault() as stub:
        address = stub.address
    with pytest.raises(SecretUnavailable, match="EndpointConnectionError"):
        aws_backend(AwsAccess(REGION, address, timeout_s=30)).read("a")
