"""What the repository may not hold: registry addresses, paths of a machine, unhashed locks."""

import ast
import os
import re
import subprocess
import sys
import tomllib

import pytest
from house_sources import ROOT, place, repository_files

# In pieces, so that this file does not contain what it looks for.
_REGISTRIES = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "yarn" + "pkg.com",
    "crates" + ".io",
    "ghcr" + ".io",
    "docker" + ".io",
    "quay" + ".io",
    "deb." + "debian.org",
    "archive." + "ubuntu.com",
    "proxy." + "golang.org",
]
_MACHINE = [
    "/" + "work/",
    "/" + "root/",
    "/" + "tmp/brief",
    "/" + "tmp/bash_jobs",
    "/" + "opt/pypi",
]
_FORBIDDEN = re.compile(
    "|".join([re.escape(name) for name in _REGISTRIES] + [rf"(?<![\w.}}]){p}" for p in _MACHINE])
)
_LOCKS = [ROOT / "requirements" / "run.txt", ROOT / "requirements" / "dev.txt"]
FILE_BYTES_MAX = 1_000_000


def forbidden_lines(text: str) -> list[int]:
    return [n for n, line in enumerate(text.splitlines(), 1) if _FORBIDDEN.search(line)]


def test_no_file_names_a_registry_or_a_path_of_some_machine() -> None:
    """House: works behind any mirror, and tells nothing about where it was written."""
    files = repository_files()
    assert len(files) > 20
    assert [] == [
        place(path, line)
        for path in files
        for line in forbidden_lines(path.read_text(errors="replace"))
    ]


def test_no_file_is_large() -> None:
    """House: what is large is made, not kept."""
    assert [] == [place(p, 1) for p in repository_files() if p.stat().st_size > FILE_BYTES_MAX]


@pytest.mark.parametrize("name", _REGISTRIES + [f"a {path}x" for path in _MACHINE])
def test_the_scan_sees_registries_and_machine_paths(name: str) -> None:
    """The scan itself can fail; a word that merely ends alike is let through."""
    assert [1] == forbidden_lines(f"see {name}")
    assert [] == forbidden_lines("docs/" + "work/ and src/" + "root/ are somebody's folders")


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_one_version_and_its_hashes_and_no_address(lock) -> None:
    """Issue 2, item 2: hashed locks, universal, no URL in them."""
    text = lock.read_text()
    assert not re.search(r"://|\.(com|dev|io|net|org)\b", text)
    entries = text.replace("\\\n", " ").strip().splitlines()
    assert len(entries) > 10
    pinned = re.compile(r"[\w.\[\],-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [] == [entry[:60] for entry in entries if not pinned.fullmatch(entry.strip())]


def test_the_development_lock_contains_the_runtime_lock() -> None:
    """What is tested is what runs: no package has another version in development."""
    runtime, development = (
        set(re.findall(r"^([\w.\[\]-]+==[^\s;]+)", lock.read_text(), re.MULTILINE))
        for lock in _LOCKS
    )
    assert runtime
    assert set() == runtime - development


def test_every_declared_dependency_is_locked() -> None:
    """A dependency that pyproject.toml gained is in the locks, or a fresh checkout lacks it."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = [*pyproject["project"]["dependencies"]]
    runtime += [line for e in pyproject["project"]["optional-dependencies"].values() for line in e]
    development = [*runtime, *pyproject["dependency-groups"]["dev"]]
    for lock, declared in zip(_LOCKS, (runtime, development), strict=True):
        locked = set(re.findall(r"^([a-z0-9.-]+)", lock.read_text(), re.MULTILINE))
        assert set() == {re.split(r"[\[<>=~! ]", line)[0] for line in declared} - locked


def dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dev"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_dev_can_be_run_and_parses_on_a_python_that_is_too_old() -> None:
    """Issue 2, item 2: an old Python gets a sentence, so it must be able to read the file."""
    assert os.access(ROOT / "dev", os.X_OK)
    assert ast.parse((ROOT / "dev").read_text(), feature_version=(3, 6))


def test_dev_lists_its_commands() -> None:
    """Issue 2, item 2: demo, up, test, check, bench, lock, eval; asking for help is no error."""
    asked = dev("--help")
    assert 0 == asked.returncode
    assert ["demo", "up", "test", "check", "bench", "eval", "lock"] == re.findall(
        r"^  (\w+)", asked.stdout, re.MULTILINE
    )


def test_dev_answers_a_wrong_command_with_the_nearest_one() -> None:
    """Issue 2, bad input: refused with the nearest name, exit code 2, nothing installed."""
    refused = dev("tset")
    assert (2, "") == (refused.returncode, refused.stdout)
    assert "`./dev test`" in refused.stderr
