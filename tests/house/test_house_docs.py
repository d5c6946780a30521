"""Documentation that is checked: links resolve, lists are complete, promised sizes hold."""

import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest
from house_sources import ROOT, place, repository_files

import meterr

ARCHITECTURE_LINES_MAX = 150
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def prose_of(path: Path) -> str:
    """Return a page without its code blocks, line numbers kept."""
    return _FENCE.sub(lambda block: "\n" * block.group().count("\n"), path.read_text())


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+\s+(.+?)\s*$", prose_of(path), re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the anchor that the forge gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def is_broken(page: Path, target: str) -> bool:
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return False
    name, _, fragment = target.partition("#")
    linked = (page.parent / name).resolve() if name else page
    if not linked.exists():
        return True
    is_page = linked.suffix == ".md"
    return bool(fragment) and is_page and fragment not in map(anchor, headings(linked))


def error_codes() -> set[str]:
    """Import every module of meterr and return the code of every error that it can raise."""
    for module in pkgutil.walk_packages(meterr.__path__, "meterr."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting = [importlib.import_module("meterr.core.errors").MeterrError]
    codes: set[str] = set()
    while waiting:
        error = waiting.pop()
        if error.__module__.startswith("meterr."):
            codes.add(error.code)
        waiting += error.__subclasses__()
    return codes


def test_every_relative_link_resolves() -> None:
    """House: a link that leads nowhere costs the reader more than no link."""
    pages = [path for path in repository_files() if path.suffix == ".md"]
    assert pages
    broken = [
        f"{place(page, prose[: link.start()].count(chr(10)) + 1)} {link[1]}"
        for page in pages
        for prose in [prose_of(page)]
        for link in _LINK.finditer(prose)
        if is_broken(page, link[1])
    ]
    assert [] == broken


def test_the_link_check_sees_what_is_broken(tmp_path: Path) -> None:
    """The check itself can fail: missing files and missing headings."""
    page = tmp_path / "a.md"
    page.write_text("# A `code` heading!\n```\n# no heading\n```\n")
    assert not is_broken(page, "a.md#a-code-heading")
    assert not is_broken(page, "https" + "://example.invalid/")
    assert is_broken(page, "b.md")
    assert is_broken(page, "#no-heading")


def test_architecture_fits_in_150_lines() -> None:
    """Issue 2, item 1: a newcomer finds the line to change in a minute."""
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= ARCHITECTURE_LINES_MAX


def test_the_changelog_has_the_version() -> None:
    """Keep a Changelog: what a version changed is written down before it is released."""
    assert any(meterr.__version__ in heading for heading in headings(ROOT / "CHANGELOG.md"))


def test_every_runtime_dependency_gives_its_reason() -> None:
    """DESIGN 8: a new dependency needs its line in dependencies.md, and no old line stays."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    declared = {re.split(r"[\[<>=~! ]", line)[0] for line in [*project["dependencies"], *extras]}
    page = (ROOT / "docs" / "explanation" / "dependencies.md").read_text()
    listed = set(re.findall(r"^(?:[-*|]|#+)\s*`([\w.-]+)(?:\[[\w,]+\])?`", page, re.MULTILINE))
    assert declared == listed


def test_every_error_code_has_its_heading() -> None:
    """House: `code` is API; whoever meets one finds what happened and what to do."""
    page = headings(ROOT / "docs" / "reference" / "errors.md")
    assert set() == error_codes() - {heading.strip("`") for heading in page}


def test_the_quick_start_needs_two_commands() -> None:
    """Issue 2, item 2: the README's two commands are `./dev demo` and `./dev test`."""
    readme = (ROOT / "README.md").read_text()
    section = re.search(
        r"^#+ Quick start.*?(?=^#+ |\Z)", readme, re.MULTILINE | re.DOTALL | re.IGNORECASE
    )
    assert section, "README.md has no quick start"
    assert {"./dev demo", "./dev test"} == set(re.findall(r"\./dev \w+", section.group()))


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "LICENSE", "CHANGELOG.md"])
def test_the_repository_has_what_people_look_for(name: str) -> None:
    """Issue 2, item 1."""
    assert (ROOT / name).stat().st_size > 200
