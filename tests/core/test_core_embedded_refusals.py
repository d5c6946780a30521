"""Directories and servers that the embedded PostgreSQL will not touch, and what it says."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from meterr.core.postgres import EmbeddedPostgres, EmbeddedPostgresError
from meterr.core.postgres.account import choose_account
from meterr.core.postgres.binaries import find_binaries
from meterr.core.postgres.layout import Layout
from support.server import FAST, newest_binaries, open_directory

AS_ROOT = os.geteuid() == 0


def start(root: Path) -> None:
    """Start and stop; on refusal nothing may be left running."""
    with EmbeddedPostgres(root, newest_binaries(), server_settings=FAST):
        pass


@pytest.fixture(scope="module")
def made_once():
    with open_directory() as root:
        start(root)
        yield root


@pytest.fixture
def layout(made_once: Path, data_root: Path) -> Layout:
    """A stopped cluster to damage: a copy of one that was made once."""
    source, copy = Layout(made_once), Layout(data_root)
    shutil.copytree(source.home, copy.home, symlinks=True)
    for path in [source.home, *source.home.rglob("*")]:
        found = path.lstat()
        os.chown(copy.home / path.relative_to(source.home), found.st_uid, found.st_gid)
    return copy


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def scramble(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xa5" * 512)


def rewrite(path: Path, text: str) -> None:
    path.chmod(0o600)
    path.write_text(text)


def empty(directory: Path) -> None:
    found = directory.stat()
    shutil.rmtree(directory)
    directory.mkdir(mode=0o700)
    os.chown(directory, found.st_uid, found.st_gid)


DAMAGE: list[tuple[str, Callable[[Layout], object], str]] = [
    ("PG_VERSION gone", lambda x: (x.data / "PG_VERSION").unlink(), "PG_VERSION is missing"),
    ("PG_VERSION garbled", lambda x: scramble(x.data / "PG_VERSION"), "PG_VERSION says"),
    (
        "another major version",
        lambda x: (x.data / "PG_VERSION").write_text("14\n"),
        r"is not the bin directory of PostgreSQL 14 \(found: 1",
    ),
    (
        "made by somebody else",
        lambda x: (x.data / "meterr-format").unlink(),
        "a PostgreSQL cluster that meterr did not make",
    ),
    (
        "made by another meterr",
        lambda x: (
            [(x.data / "meterr-format").chmod(0o600)] and (x.data / "meterr-format").write_text("2")
        ),
        "has the format '2' and this meterr knows '1'",
    ),
    (
        "pg_control gone",
        lambda x: (x.data / "global" / "pg_control").unlink(),
        r'PostgreSQL cannot run on .*could not open file ".*pg_control"',
    ),
    (
        "pg_control garbled",
        lambda x: scramble(x.data / "global" / "pg_control"),
        r"PostgreSQL cannot run on .*incompatible with server",
    ),
    (
        "pg_control empty",
        lambda x: truncate(x.data / "global" / "pg_control"),
        r'PostgreSQL cannot run on .*could not read file "global/pg_control"',
    ),
    (
        "pg_wal gone",
        lambda x: empty(x.data / "pg_wal"),
        r"PostgreSQL cannot run on .*could not locate a valid checkpoint record",
    ),
    ("open to others", lambda x: x.data.chmod(0o755), r"open to other users \(mode 0755\)"),
    (
        "superuser's password gone",
        lambda x: (x.secrets / "postgres").unlink(),
        "nobody can administer",
    ),
    (
        "password readable by others",
        lambda x: (x.secrets / "postgres").chmod(0o444),
        "chmod 0400",
    ),
]


@pytest.mark.parametrize(("what", "damage", "sentence"), DAMAGE, ids=[d[0] for d in DAMAGE])
def test_a_damaged_or_foreign_cluster_is_refused_in_one_sentence_naming_the_path(
    layout: Layout, what: str, damage: Callable[[Layout], object], sentence: str
) -> None:
    """Issue 2, item 3: refuses a foreign or damaged data directory with a clear sentence."""
    damage(layout)
    before = sorted(layout.data.rglob("*"))

    with pytest.raises(EmbeddedPostgresError, match=sentence) as caught:
        start(layout.root)

    assert str(layout.root) in caught.value.detail or "PostgreSQL 14" in caught.value.detail
    assert "\n" not in caught.value.detail
    assert set(before) <= {*layout.data.rglob("*"), layout.data / "postmaster.pid"}


def test_a_refused_directory_starts_again_once_it_is_repaired(layout: Layout) -> None:
    """A refusal changes nothing and keeps no lock."""
    layout.data.chmod(0o755)
    with pytest.raises(EmbeddedPostgresError):
        start(layout.root)

    layout.data.chmod(0o700)
    start(layout.root)


def test_a_directory_with_other_files_is_left_alone(data_root: Path) -> None:
    """Nothing of a stranger is overwritten."""
    data = Layout(data_root).data
    data.mkdir(parents=True)
    (data / "holiday.jpg").write_bytes(b"jpeg")
    data.parent.chmod(0o711)

    with pytest.raises(EmbeddedPostgresError, match="holds files; meterr leaves it alone"):
        start(data_root)

    assert [data / "holiday.jpg"] == list(data.iterdir())


def test_a_file_in_the_place_of_the_directory_is_refused(data_root: Path) -> None:
    """Named, not overwritten."""
    home = Layout(data_root).home
    home.mkdir(mode=0o711)
    (home / "data").write_text("not a directory")

    with pytest.raises(EmbeddedPostgresError, match="is not a directory"):
        start(data_root)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a directory to somebody else")
def test_a_cluster_of_another_user_is_refused(layout: Layout) -> None:
    """The sentence names both users and the two ways out."""
    os.chown(layout.data, 12345, 12345)

    with pytest.raises(EmbeddedPostgresError, match=r"belongs to user id 12345.*chown -R"):
        start(layout.root)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a directory to somebody else")
def test_a_home_of_another_user_is_refused(layout: Layout) -> None:
    """Made under sudo once, started without it now (here the other way round)."""
    os.chown(layout.home, 12345, 12345)

    with pytest.raises(EmbeddedPostgresError, match="belongs to user id 12345 and this process"):
        start(layout.root)


def test_a_place_that_cannot_be_written_is_refused_by_name(data_root: Path) -> None:
    """A file where a directory should be, somewhere above."""
    (data_root / "file").write_text("")

    with pytest.raises(EmbeddedPostgresError, match=r"Cannot create .*/file/x: Not a directory"):
        start(data_root / "file" / "x" / "y")


@pytest.mark.skipif(not AS_ROOT, reason="without root the server runs as the same user")
def test_a_way_that_is_closed_to_the_server_is_named_and_not_opened(tmp_path: Path) -> None:
    """Never chmod what is not ours: the wheel's manager opens every parent up to the root."""
    tmp_path.chmod(0o700)

    with pytest.raises(EmbeddedPostgresError, match=r"cannot reach .* closed to others"):
        start(tmp_path / "data")

    assert 0o700 == tmp_path.stat().st_mode & 0o777


def test_a_second_supervisor_is_refused_and_the_first_goes_on(layout: Layout) -> None:
    """Two supervisors never share a data directory."""
    with EmbeddedPostgres(layout.root, newest_binaries(), server_settings=FAST) as first:
        with pytest.raises(EmbeddedPostgresError, match=f"another meterr .process {os.getpid()}."):
            start(layout.root)
        assert first.poll() is None
        assert not first.ensure_running()
    start(layout.root)


def test_a_directory_without_postgresql_is_refused_by_name(tmp_path: Path) -> None:
    """A setting that is wrong is never silently replaced by another server."""
    account = choose_account(tmp_path, lambda _: None)

    with pytest.raises(EmbeddedPostgresError, match=f"{tmp_path} is not the bin directory"):
        find_binaries(tmp_path, None, account)


def test_an_old_postgresql_is_refused_with_its_version(tmp_path: Path) -> None:
    """Older than 15: named with what was found."""
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
        (tmp_path / name).chmod(0o755)
    account = choose_account(tmp_path, lambda _: None)

    with pytest.raises(EmbeddedPostgresError, match=r"PostgreSQL 15 or later \(found: 14.9 in"):
        find_binaries(tmp_path, None, account)
