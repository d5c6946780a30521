"""Where secrets may come from without TLS: this host, and what the operator lists."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterr.app.secret_settings import with_reader
from meterr.core.configuration import ConfigurationError, load
from meterr.core.secrets import SecretRefused, SecretUnavailable
from support.vault_stub import VaultStub, vault

ELSEWHERE = "http://secrets.example.invalid:4566"
TOLD = json.dumps({"SecretString": "postgresql://canary"}).encode()


@pytest.fixture
def stub() -> Iterator[VaultStub]:
    with vault() as running:
        running.answer = (200, {"Content-Type": "application/x-amz-json-1.1"}, TOLD)
        yield running


@pytest.fixture(autouse=True)
def of_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library reads the process's own environment; nothing of this machine is looked at."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-canary")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"):
        monkeypatch.delenv(name, raising=False)


def read(tmp_path: Path, **more: str) -> str:
    """Return the secret that ``aws:db`` names under these further settings."""
    environ = {
        "METERR_DATA_DIR": str(tmp_path),
        "METERR_DATABASE_URL": "aws:db",
        "METERR_SECRETS__AWS_REGION": "eu-central-1",
        "METERR_SECRETS__TIMEOUT_S": "20",
        "METERR_LOG__LEVEL": "error",
        **more,
    }
    settings = with_reader(load({}, environ, None).settings, environ)
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (ELSEWHERE, "use https, or list secrets.example.invalid:4566 in outbound.allow"),
        ("http://127.0.0.1.example.invalid", "use https"),
        ("http://127.0.0.1@example.invalid", "may not hold a user name"),
        ("ftp://127.0.0.1", "must begin with https://"),
        ("example.invalid", "must begin with https://"),
    ],
)
def test_an_address_of_aws_in_clear_text_is_refused_as_vaults_is(
    tmp_path: Path, address: str, told: str
) -> None:
    """C16: the answer holds the secret, and nobody proves who gives it."""
    with pytest.raises(ConfigurationError, match=r"^secrets\.aws_endpoint_url: ") as refused:
        read(tmp_path, METERR_SECRETS__AWS_ENDPOINT_URL=address)
    assert told in str(refused.value)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"])
def test_nor_is_it_taken_from_awss_own_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The library would go wherever these say."""
    monkeypatch.setenv(name, ELSEWHERE)
    with pytest.raises(SecretRefused, match=r"without TLS.*secrets\.aws_endpoint_url"):
        read(tmp_path)


def test_nor_from_a_profile(tmp_path: Path) -> None:
    """The third place where the library looks for it."""
    (tmp_path / "config").write_text(f"[default]\nendpoint_url = {ELSEWHERE}\n")
    with pytest.raises(SecretRefused, match="without TLS"):
        read(tmp_path)


def test_this_host_needs_no_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: VaultStub
) -> None:
    """The positive space: an emulator or a proxy beside us, by either name."""
    secret = "postgresql://canary"
    assert secret == read(tmp_path, METERR_SECRETS__AWS_ENDPOINT_URL=stub.address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", stub.address)
    assert secret == read(tmp_path)


@pytest.mark.parametrize("name", ["METERR_SECRETS__AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL"])
def test_what_the_operator_lists_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`outbound.allow` is the operator's word; that nobody is there is an outage."""
    listed = {"METERR_OUTBOUND__ALLOW": "secrets.example.invalid:4566"}
    if name.startswith("METERR_"):
        listed[name] = ELSEWHERE
    else:
        monkeypatch.setenv(name, ELSEWHERE)
    with pytest.raises(SecretUnavailable):
        read(tmp_path, **listed, METERR_SECRETS__TIMEOUT_S="1")
