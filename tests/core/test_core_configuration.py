"""Settings: what people see of them holds no secret, and what is missing is told at start."""

import os
from pathlib import Path

import pytest

from meterr.core.configuration import ConfigurationError, explained, load
from meterr.core.private_file import MOUNTED_BYTES_MAX

UPSTREAM = {
    "upstreams.x.provider": "openai",
    "upstreams.x.models": ("gpt-*",),
    "upstreams.x.credential": "sk-provider-canary",
}


def shown(url: str) -> str:
    """Return what ``meterr config show`` says of a base URL."""
    flags = {**UPSTREAM, "upstreams.x.openai_base_url": url}
    found = {name: value for name, value, _ in explained(load(flags, {"HOME": "/"}, None))}
    assert "sk-provider-canary" not in str(found)
    return found["upstreams.x.openai_base_url"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/v1", "https://host/v1"),
        ("https://user:hunter2@host/v1", "https://********@host/v1"),
        ("https://host/v1?key=hunter2", "https://host/v1?********"),
    ],
)
def test_a_secret_inside_an_address_is_masked(url: str, expected: str) -> None:
    """P6: a refused address is just what somebody pastes into a ticket."""
    assert expected == shown(url)


@pytest.mark.parametrize(
    "name", ["METERR_OUTPUT", "METERR_SERVER__PROT", "METERR_UPSTREAMS__X__UR"]
)
def test_a_variable_that_nothing_reads_is_refused(name: str) -> None:
    """Issue 2, bad input: unknown settings are refused."""
    with pytest.raises(ConfigurationError, match=name):
        load({}, {name: "1"}, None)


@pytest.mark.parametrize("environ", [{}, {"OTHER_KEY": "x"}, {"FIRST_KEY": "", "SECOND_KEY": ""}])
def test_a_credential_whose_variable_is_not_set_stops_the_start(environ: dict[str, str]) -> None:
    """S2:22: there, `os.getenv` gives None and the first call of a customer finds out."""
    flags = {
        "upstreams.x.provider": "openai",
        "upstreams.x.models": ("gpt-*",),
        "upstreams.x.openai_base_url": "https://host/v1",
        "upstreams.x.credential_env": ("FIRST_KEY", "SECOND_KEY"),
    }
    with pytest.raises(ConfigurationError, match=r"upstreams\.x.*none of FIRST_KEY, SECOND_KEY"):
        load(flags, {"HOME": "/", **environ}, None)
    found = load(flags, {"HOME": "/", **environ, "SECOND_KEY": "sk-second"}, None)
    credential = found.settings.upstreams["x"].credential
    assert credential is not None
    assert "sk-second" == credential.get_secret_value()


CANARY = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
PEPPER = "METERR_KEY_PEPPER_FILE"


def pepper_in(file: Path) -> str:
    """Return the pepper that is taken from ``file``."""
    pepper = load({}, {"HOME": "/", PEPPER: str(file)}, None).settings.key_pepper
    assert pepper is not None
    return pepper.get_secret_value()


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o444, 0o600, 0o644, 0o664])
def test_a_secrets_file_is_taken_as_orchestrators_mount_it(tmp_path: Path, mode: int) -> None:
    """Docker: 0444, Kubernetes: a link to 0644, systemd: 0400; others in there may read it."""
    file = tmp_path / "pepper"
    file.write_text(f" {CANARY}\n")
    file.chmod(mode)
    link = tmp_path / "..data"
    link.symlink_to(file)
    assert CANARY == pepper_in(link)


def made(path: Path, kind: str) -> Path:
    """Make what is no file of a secret."""
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "of other bytes":
            path.write_bytes(CANARY.encode() + b"\xff")
        case "large":
            path.write_text(CANARY + "x" * MOUNTED_BYTES_MAX)
        case "for everybody to change":
            path.write_text(CANARY)
            path.chmod(0o646)
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("missing", "No such file"),
        ("folder", "no plain file"),
        ("pipe", "no plain file"),
        ("device", "no plain file"),
        ("of other bytes", "no text"),
        ("large", "more than 65536 bytes"),
        ("for everybody to change", "chmod o-w"),
    ],
)
@pytest.mark.parametrize("name", [PEPPER, "upstreams.x.credential"])
def test_what_is_no_file_of_a_secret_is_refused_under_the_settings_name(
    tmp_path: Path, name: str, kind: str, told: str
) -> None:
    """Issue 4, item 7: at once, also a pipe that nobody writes to; P6: without what is in it."""
    file = str(made(tmp_path / "secret", kind))
    flags = {each: value for each, value in UPSTREAM.items() if each != name}
    environ = {"HOME": "/"}
    if name == PEPPER:
        environ[PEPPER] = file
    else:
        flags |= {"upstreams.x.openai_base_url": "https://h/v1", f"{name}_file": file}
    with pytest.raises(ConfigurationError, match=f"^{name}: cannot take {file}: .*") as refused:
        load(flags, environ, None)
    assert told in str(refused.value)
    assert CANARY not in f"{refused.value} {refused.value.__cause__}"
