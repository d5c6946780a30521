"""The wheel, as a user gets it: built from a copy, the copy deleted, installed on its own."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement

from meterr.cli import cli
from support import server
from support.up_process import call, environment, up

ROOT = Path(__file__).resolve().parents[2]
# Loaded by name when they are used, with a message that names the extra.
NEED_AN_EXTRA = {
    "meterr.core.backup.age_format",
    "meterr.core.secrets.aws",
    "meterr.core.secrets.vault",
    "meterr.ledger.lake.parquet",
}
SOURCES = ("src", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program far from the source, with no variable that could lead back to it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what is needed, and take the copy away."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist", cwd=copy)
    shutil.rmtree(copy)
    (built,) = (folder / "dist").glob("*.whl")
    return built


def needed_by(metadata: Message, extra: str = "") -> set[str]:
    """Return the names that a distribution requires here, with ``extra`` if it names one."""
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]
    return {
        str(Requirement(f"{r.name}[{','.join(r.extras)}]") if r.extras else r.name)
        for r in requirements
        if r.marker is None or r.marker.evaluate({"extra": extra})
    }


def closure(metadata: Message) -> dict[str, Distribution]:
    """Return every distribution that the wheel declares, and what those declare in turn."""
    found: dict[str, Distribution] = {}
    waiting = needed_by(metadata)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        requirement = Requirement(name)
        installed = distribution(requirement.name)
        found[requirement.name] = installed
        for extra in ("", *requirement.extras):
            waiting |= needed_by(installed.metadata, extra) - seen  # type: ignore[arg-type]  # a Message
    return found


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Install the wheel into an environment of its own and return its bin folder.

    It sees exactly the distributions that the wheel declares, and no development package, through
    links to those that are here already: a dependency that was forgotten is missing, nothing is
    downloaded.
    """
    home = tmp_path_factory.mktemp("user")
    run(sys.executable, "-m", "venv", "--without-pip", home / "venv", cwd=home)
    (site,) = (home / "venv" / "lib").glob("python*/site-packages")
    declared = home / "declared"
    declared.mkdir()
    for found in closure(metadata_of(wheel)).values():
        for top in {path.parts[0] for path in found.files or [] if path.parts[0] != ".."}:
            if top != "__pycache__" and not (declared / top).exists():
                (declared / top).symlink_to(Path(str(found.locate_file(top))))
    (site / "declared.pth").write_text(f"{declared}\n")
    python = home / "venv" / "bin" / "python"
    uv = shutil.which("uv")
    installer = (
        [uv, "pip", "install", "--python", python]
        if uv
        else [sys.executable, "-m", "pip", "--python", python, "install"]
    )
    run(*installer, "--no-deps", "--no-index", wheel, cwd=home)
    return python.parent


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Issue 2, item 2: no tests, docs or development files reach a user's site-packages."""
    names = zipfile.ZipFile(wheel).namelist()
    info = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    assert [] == [name for name in names if not name.startswith(("meterr/", info))]
    assert [] == [name for name in names if "test" in Path(name).parts or "__pycache__" in name]


def test_the_wheel_holds_types_licence_and_every_sql_file(wheel: Path) -> None:
    """What is not Python is what a build forgets."""
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "src"
    data = {str(path.relative_to(package)) for path in package.rglob("*.sql")}
    assert any(name.startswith("meterr/schema/") for name in data)
    assert set() == ({"meterr/py.typed"} | data) - names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)


def test_the_metadata_says_what_a_user_must_know(wheel: Path) -> None:
    """Licence, Python, version and the text that the index shows."""
    metadata = metadata_of(wheel)
    assert "Apache-2.0" == metadata["License-Expression"]
    assert ">=3.11" == metadata["Requires-Python"]
    assert wheel.name == f"meterr-{metadata['Version']}-py3-none-any.whl"
    assert metadata.get_payload()


def test_the_installed_package_is_the_one_from_the_wheel(installed: Path) -> None:
    """With the source removed, what is imported can only be what was installed."""
    where = run(installed / "python", "-c", "import meterr; print(meterr.__file__)", cwd=installed)
    assert Path(where.strip()).is_relative_to(installed.parent / "lib")


def test_every_module_imports_with_nothing_but_what_the_wheel_declares(installed: Path) -> None:
    """A dependency that only development has would be found here, not by the first user."""
    code = (
        "import importlib, pkgutil, meterr\n"
        "names = [m.name for m in pkgutil.walk_packages(meterr.__path__, 'meterr.')]\n"
        f"names = [n for n in names if n not in {sorted(NEED_AN_EXTRA)}]\n"
        "[importlib.import_module(n) for n in names if not n.endswith('__main__')]\n"
        "print(len(names))\n"
    )
    assert int(run(installed / "python", "-W", "error", "-c", code, cwd=installed)) > 10


def test_without_its_extra_a_command_names_it_and_every_other_one_runs(installed: Path) -> None:
    """Issue 3, 8: what only some need, pyarrow or pyrage, nobody else has to have."""
    for module in NEED_AN_EXTRA:
        with pytest.raises(AssertionError, match="ModuleNotFoundError"):
            run(installed / "python", "-c", f"import {module}", cwd=installed)
    names = cli.list_commands(click.Context(cli))
    code = (
        "from meterr.cli import cli\n"
        f"for name in {names!r}: cli.main([name, '--help'], 'meterr', standalone_mode=False)\n"
    )
    said = run(installed / "python", "-W", "error", "-c", code, cwd=installed)
    assert all(f"Usage: meterr {name} " in said for name in names)
    assert "--to-day" in run(installed / "meterr", "ledger", "export", "--help", cwd=installed)
    for extra, words in (
        ("lake", ["ledger", "export", "--to", "lake"]),
        ("backup", ["db", "backup", "file", "--recipient", "age1"]),
    ):
        asked = subprocess.run(
            [installed / "meterr", *words],
            cwd=installed,
            env={"METERR_DATABASE_URL": "postgresql://127.0.0.1:9/nowhere"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (2, "") == (asked.returncode, asked.stdout)
        assert f"pip install 'meterr[{extra}]'" in asked.stderr


def test_the_installed_command_answers(installed: Path, wheel: Path) -> None:
    """A user's way: `pipx install meterr`, then the command is there."""
    version = metadata_of(wheel)["Version"]
    assert version in run(installed / "meterr", "--version", cwd=installed)
    assert "Usage: meterr" in run(installed / "meterr", "--help", cwd=installed)


def test_meterr_up_of_the_wheel_serves_a_first_call_and_stops(
    installed: Path, data_root: Path, tmp_path: Path
) -> None:
    """Issue 2, item 2: `pipx install meterr && meterr up` works with the source removed."""
    binaries = server.newest_binaries()  # a user has a PostgreSQL, or installs meterr[embedded]
    chosen = {} if binaries is None else {"METERR_POSTGRES_BIN": str(binaries)}
    with up(
        data_root / "meterr",
        tmp_path / "output",
        env=environment(**chosen),
        program=[installed / "meterr"],
    ) as run:
        status, answer = call(run.url, run.keys[0])
        run.send(signal.SIGINT)
        assert 0 == run.wait()
    assert (200, "You said: Hello") == (status, answer["choices"][0]["message"]["content"])
