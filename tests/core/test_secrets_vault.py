"""Vault through the real hvac, against a stub of its HTTP interface."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meterr.core.secrets import SecretRefused, SecretUnavailable, VaultAccess
from meterr.core.secrets.library import vault_backend
from support.vault_stub import TOKEN, VaultStub, vault

PLACE = "secret/data/meterr"
PATH = f"/v1/{PLACE}"


@pytest.fixture
def stub() -> Iterator[VaultStub]:
    with vault() as running:
        running.secrets[PLACE] = ({"openai": "sk-canary-1", "pepper": "p"}, 3)
        yield running


def access(stub: VaultStub, token: Callable[[], str] = lambda: TOKEN, **more: str) -> VaultAccess:
    return VaultAccess(
        stub.address, token=token, secret_id=lambda: "secret-id", timeout_s=5, **more
    )


def test_the_current_version_of_a_document_is_read(stub: VaultStub) -> None:
    """Issue 4, item 7: KV v2: all fields, and the version for the record."""
    document = vault_backend(access(stub)).read(PLACE)
    assert ({"openai": "sk-canary-1", "pepper": "p"}, "3") == (document.content, document.version)
    (asked,) = stub.asked
    assert ("GET", PATH, TOKEN) == (asked.method, asked.path, asked.headers["x-vault-token"])


def test_a_mount_of_several_steps_and_a_namespace_are_said(stub: VaultStub) -> None:
    """Vault Enterprise, and engines that are mounted below a team's name."""
    stub.secrets["team/kv/data/prod/meterr"] = ({"a": "b"}, 1)
    document = vault_backend(access(stub, namespace="team-a")).read("team/kv/data/prod/meterr")
    assert {"a": "b"} == document.content
    assert "team-a" == stub.asked[0].headers["x-vault-namespace"]


def test_an_app_role_logs_in_for_each_read(stub: VaultStub) -> None:
    """A login of its own, so no token of ours grows old."""
    stub.role = ("role", "secret-id")
    backend = vault_backend(access(stub, token=str, role_id="role"))
    for _ in range(2):
        assert "3" == backend.read(PLACE).version
    login = "/v1/auth/approle/login"
    assert [login, PATH, login, PATH] == [asked.path for asked in stub.asked]
    stub.role = ("role", "another")
    with pytest.raises(SecretRefused):
        backend.read(PLACE)


def test_a_token_that_an_agent_renewed_is_taken_up(stub: VaultStub) -> None:
    """The token is asked for at every read."""
    stub.tokens = {"first"}
    tokens = iter(["first", "second"])
    backend = vault_backend(access(stub, token=lambda: next(tokens)))
    assert "3" == backend.read(PLACE).version
    stub.tokens = {"second"}
    assert "3" == backend.read(PLACE).version


def test_a_token_of_the_environment_is_not_taken_by_chance(
    stub: VaultStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """House: settings are the only way in; hvac would look in the environment and in the home."""
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".vault-token").write_text(TOKEN)
    with pytest.raises(SecretRefused):
        vault_backend(access(stub, token=str)).read(PLACE)
    assert all(TOKEN not in asked.headers.values() for asked in stub.asked)


def test_a_proxy_of_the_environment_does_not_get_the_token(
    stub: VaultStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C16: the token goes to the configured address and nowhere else."""
    with vault() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.address)
        monkeypatch.delenv("no_proxy", raising=False)
        assert "3" == vault_backend(access(stub)).read(PLACE).version
        assert [] == proxy.asked


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SecretRefused),
        (401, SecretRefused),
        (403, SecretRefused),
        (404, SecretRefused),
        (405, SecretRefused),
        (412, SecretRefused),
        (429, SecretUnavailable),
        (500, SecretUnavailable),
        (501, SecretUnavailable),
        (502, SecretUnavailable),
        (503, SecretUnavailable),
    ],
)
def test_no_and_not_now_are_told_apart(stub: VaultStub, status: int, kind: type[Exception]) -> None:
    """Issue 4, item 7: only an outage may be bridged with an old value. P6: no token in errors."""
    body = b'{"errors": ["token %b is bad"]}' % TOKEN.encode()
    stub.answer = (status, {"Content-Type": "application/json"}, body)
    with pytest.raises(kind) as refused:
        vault_backend(access(stub)).read(PLACE)
    assert f"vault:{PLACE}" in str(refused.value)
    assert TOKEN not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_missing_and_a_deleted_secret_are_refused(stub: VaultStub) -> None:
    """A deleted version is not served from anywhere."""
    stub.deleted.add("secret/data/old")
    for place in ("secret/data/missing", "secret/data/old"):
        with pytest.raises(SecretRefused, match="no such secret, or it is deleted"):
            vault_backend(access(stub)).read(place)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(stub: VaultStub, status: int) -> None:
    """C16: or the token would go wherever an answer says."""
    with vault() as elsewhere:
        elsewhere.secrets = stub.secrets
        stub.answer = (status, {"Location": f"{elsewhere.address}{PATH}"}, b"")
        with pytest.raises(SecretUnavailable, match="redirects are not followed"):
            vault_backend(access(stub)).read(PLACE)
        assert [] == elsewhere.asked


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"data": null}', b'{"data": {"key": "v"}}',
     b'{"data": {"data": "x"}}'],
)  # fmt: skip
def test_an_answer_that_is_no_document_is_refused(stub: VaultStub, body: bytes) -> None:
    """A key-value engine of version 1, a login page, nothing at all."""
    stub.answer = (200, {"Content-Type": "application/json"}, body)
    with pytest.raises((SecretRefused, SecretUnavailable)):
        vault_backend(access(stub)).read(PLACE)


def test_nobody_there_is_an_outage() -> None:
    """DESIGN 7: a part that fails has its own answer."""
    with vault() as stub:
        gone = access(stub)
    with pytest.raises(SecretUnavailable, match="ConnectionError"):
        vault_backend(gone).read(PLACE)


def test_without_its_library_the_error_says_what_to_install() -> None:
    """Issue 4, item 7: each backend is an extra, and its absence hurts nobody else."""
    code = (
        "import sys; sys.modules['hvac'] = None; sys.modules['boto3'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name: None if name in ('hvac', 'boto3') else find(name)\n"
        "from meterr.core.secrets import AwsAccess, VaultAccess\n"
        "from meterr.core.secrets.library import aws_backend, vault_backend\n"
        "import meterr.cli.context\n"
        "for open_, access in ((vault_backend, VaultAccess('', str, str)),"
        " (aws_backend, AwsAccess())):\n"
        "    try: open_(access)\n"
        "    except Exception as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'meterr[vault]'" in told.stdout.splitlines()[0]
    assert "pip install 'meterr[aws]'" in told.stdout.splitlines()[1]
