"""``meterr up`` and what it keeps: its key file, a stored secret, a backup, a new machine."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pyrage

from support.up_process import call, environment, up

CANARY = "sk-embedded-credential-canary-91c7"
_FAILED, _USAGE = 1, 2


def meterr(
    data_dir: Path, *arguments: str, told: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command on a data directory."""
    return subprocess.run(
        [sys.executable, "-m", "meterr", *arguments, "--data-dir", str(data_dir)],
        env=environment(),
        cwd=data_dir,
        input=told,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def ok(data_dir: Path, *arguments: str, told: str | None = None) -> str:
    """Run a command that must succeed; return all that it said."""
    done = meterr(data_dir, *arguments, told=told)
    assert 0 == done.returncode, done
    return done.stdout + done.stderr


def test_an_embedded_installation_moves_to_a_new_machine(data_root: Path, tmp_path: Path) -> None:
    """S1:418-429: keys made closed to others; a secret stored, backed up while it runs, rotated,
    and readable on a new machine with the keys of the backup's time.
    """
    first, second = data_root / "first", data_root / "second"
    for folder in (first, second):
        folder.mkdir(mode=0o711)
    identity = pyrage.x25519.Identity.generate()
    identity_file, file = tmp_path / "identity", tmp_path / "meterr.age"
    identity_file.write_text(str(identity))
    identity_file.chmod(0o400)
    restore = ("db", "restore", str(file), "--identity", str(identity_file))

    with up(first, tmp_path / "1") as run:
        key = run.url and run.keys[0]
        key_file = first / "key-encryption-keys"
        assert 0o400 == stat.S_IMODE(key_file.stat().st_mode)
        of_the_backup = key_file.read_text()
        ok(first, "upstream", "credential", "set", "openai", told=CANARY)
        ok(first, "db", "backup", str(file), "--recipient", str(identity.to_public()))
        said = ok(first, "keyring", "rotate", "--data-keys")
        assert "is retired" in said
        assert CANARY[-4:] in ok(first, "upstream", "credential", "list")
        refused = meterr(first, *restore, "--replace")
        assert (_FAILED, True) == (refused.returncode, "in use by another meterr" in refused.stderr)
        assert 200 == call(run.url, key)[0]
    assert of_the_backup != key_file.read_text()

    refused = meterr(second, *restore)
    assert (_USAGE, True) == (refused.returncode, "the backup needs" in refused.stderr)
    for name in ("pepper", "key-encryption-keys"):
        kept = of_the_backup if name != "pepper" else (first / name).read_text()
        descriptor = os.open(second / name, os.O_WRONLY | os.O_CREAT, 0o400)
        with os.fdopen(descriptor, "w") as copy:
            copy.write(kept)
    ok(second, *restore)

    with up(second, tmp_path / "2") as run:
        assert 200 == call(run.url, key)[0]
        assert [] == run.keys
        assert "current" in ok(second, "keyring", "status")
        assert CANARY[-4:] in ok(second, "upstream", "credential", "list")
        logs = run.stderr
    assert CANARY not in logs + (tmp_path / "1" / "stderr").read_text()
    assert _USAGE == meterr(second, *restore).returncode
    for folder in (first, second):
        found = [p for p in folder.rglob("*") if p.is_file() and CANARY.encode() in p.read_bytes()]
        assert [] == found
