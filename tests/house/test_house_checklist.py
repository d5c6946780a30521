"""The page of the checklists' faults: each row has its test, and each test its row."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from house_sources import ROOT, collected_files, functions, tree

PAGE = ROOT / "docs" / "explanation" / "checklist-intent.md"
_OPEN = "## Not built yet"
# Where the 77 faults are, in the order in which they were found; the page groups some of them.
_FAULTS = """
S1:51; S1:52; S1:45 S1:73; S1:71-89; S1:60; S1:65 S1:222 S1:239 S1:369 S1:467-468; S1:98 S1:116
S1:106; S2:50; S2:69; S2:157-159; S1:357; S1:362
S1:128 S1:335; S1:142 S1:151-155; S1:138 S1:159; S1:138; S1:157; S1:139-144; S1:162; S1:336; S1:333
S1:391; S1:386-388; S1:405-414; S1:384-399; S2:9; S2:17 S2:152; S2:155; S2:22
S1:169-174; S1:169; S1:171; S1:181; S1:179; S2:76; S2:77; S1:25 S2:81
S1:222; S1:217 S1:222; S1:222; S1:222; S1:241; S1:223; S1:217 S1:423; S1:230 S1:418-429
S1:267; S1:265-275; S1:262; S1:257; S1:278; S1:280; S1:254-287
S1:312-321; S1:314; S1:325-328; S1:319; S2:56; S2:60; S2:60; S2:60; S2:59; S2:41
S1:189; S1:195; S1:205; S1:467-468; S1:445; S1:466 S2:116; S1:438; S2:162
S2:94; S2:39; S2:101; S1:299-372; S2:138; S2:168
"""
_LINE = re.compile(r"\bS([12]):(\d+)(?:-(\d+))?")
_LINK = re.compile(r"\[`(test_\w+)`\]\(([^)]+\.py)\)")


@dataclass(frozen=True)
class Lines:
    """Some lines of one of the two checklists."""

    list_: int
    first: int
    last: int

    def meets(self, other: "Lines") -> bool:
        is_same_list = self.list_ == other.list_
        return is_same_list and self.first <= other.last and other.first <= self.last

    def is_within(self, other: "Lines") -> bool:
        return self.meets(other) and other.first <= self.first and self.last <= other.last


@dataclass(frozen=True)
class Row:
    """A fault: its lines, and the tests that the page names for it, as (file, function)."""

    text: str
    lines: tuple[Lines, ...]
    tests: tuple[tuple[Path, str], ...]


def lines_in(text: str) -> tuple[Lines, ...]:
    return tuple(
        Lines(int(number), int(first), int(last or first))
        for number, first, last in _LINE.findall(text)
    )


def rows_in(markdown: str, folder: Path) -> Iterator[Row]:
    for line in markdown.splitlines():
        lines = lines_in(line.split("|")[1]) if line.startswith("| S") else ()
        if lines:
            tests = tuple(((folder / to).resolve(), name) for name, to in _LINK.findall(line))
            yield Row(line, lines, tests)


def cited_by_tests() -> dict[tuple[Path, str], tuple[Lines, ...]]:
    """Return the lines that the docstring of each test names."""
    found: dict[tuple[Path, str], tuple[Lines, ...]] = {}
    for path in collected_files():
        for function in functions(tree(path)):
            if function.name.startswith("test_"):
                cited = lines_in(ast.get_docstring(function) or "")
                found[path, function.name] = found.get((path, function.name), ()) + cited
    return found


def faults_of(row: Row, cited: dict[tuple[Path, str], tuple[Lines, ...]]) -> Iterator[str]:
    """Yield what is wrong with a row: no test, one that is not there, one that does not say so."""
    if not row.tests:
        yield "no test"
    for test in row.tests:
        if test not in cited:
            yield f"no such test: {test[1]}"
        elif not any(line.meets(own) for line in cited[test] for own in row.lines):
            yield f"{test[1]} does not name a line of the row"
    for own in row.lines:
        if not any(line.meets(own) for test in row.tests for line in cited.get(test, ())):
            yield f"no test of the row names line {own.first}"


def parts() -> tuple[list[Row], list[Row]]:
    """Return the rows that are built and those that are not."""
    built, opening, to_come = PAGE.read_text().partition(_OPEN)
    assert opening
    return list(rows_in(built, PAGE.parent)), list(rows_in(to_come, PAGE.parent))


def test_every_row_has_tests_that_name_its_lines() -> None:
    """Issue 4, item 12: each row is linked to the test that proves it, and the test says so."""
    cited = cited_by_tests()
    built, _ = parts()
    assert built
    assert [] == [f"{fault}: {row.text[:60]}" for row in built for fault in faults_of(row, cited)]


def test_every_line_that_a_test_names_has_its_row() -> None:
    """Issue 4: what a test proves of the checklists can be read on the page."""
    shown = [own for row in parts()[0] for own in row.lines]
    assert [] == [
        f"{path.name}::{name} {line}"
        for (path, name), lines in cited_by_tests().items()
        for line in lines
        if not any(line.meets(own) for own in shown)
    ]


def test_what_is_not_built_has_no_test_and_the_page_counts_right() -> None:
    """A row that was built moves up and gets its test; the numbers of the page are its rows."""
    built, to_come = parts()
    assert [] == [row.text for row in to_come if row.tests]
    told = re.search(r"\*\*(\d+) of the (\d+) are kept and tested; (\d+) are", PAGE.read_text())
    assert told
    counted = [len(built), len(built) + len(to_come), len(to_come)]
    assert counted == [int(number) for number in told.groups()]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("| S1:9 | a | b | c | none |", "no test"),
        ("| S1:9 | a | [`test_gone`](a.py) |", "no such test: test_gone"),
        ("| S1:8 | a | [`test_a`](a.py) |", "test_a does not name a line of the row"),
        ("| S1:9-12, S2:4 | a | [`test_a`](a.py) |", "no test of the row names line 4"),
    ],
)
def test_the_check_sees_rows_that_prove_nothing(row: str, fault: str) -> None:
    """The check itself can fail."""
    cited = {((ROOT / "a.py").resolve(), "test_a"): lines_in("S1:10-11, P6: a word.")}
    (read,) = rows_in(row.replace("S1:9 ", "S1:10 "), ROOT)
    assert fault in list(faults_of(read, cited))


def test_the_check_lets_a_good_row_pass() -> None:
    """The check does not cry wolf: a test may name more lines, or a part of the row's."""
    cited = {((ROOT / "a.py").resolve(), "test_a"): lines_in("S1:10 vs S2:4, row 3: a word.")}
    (read,) = rows_in("| S1:9-12, S2:4 | a | [`test_a`](a.py) |", ROOT)
    assert [] == list(faults_of(read, cited))


def test_every_fault_of_the_checklists_is_on_the_page() -> None:
    """Issue 4: none of the 77 is left out, neither a row nor one of its lines."""
    faults = [lines_in(fault) for fault in _FAULTS.replace("\n", ";").split(";") if fault]
    assert 77 == len(faults)
    built, to_come = parts()
    assert 77 == len(built) + len(to_come)
    shown = [own for row in built + to_come for own in row.lines]
    assert [] == [line for fault in faults for line in fault if not any(map(line.is_within, shown))]


def test_types_are_checked_strictly() -> None:
    """
    S1:65, S1:222, S1:239, S1:369, S1:467-468: six places that no strict compiler takes, there.

    Here all of it is checked, and each exception has its name.
    """
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert mypy["strict"]
    assert ["meterr", "bench"] == mypy["packages"]
    assert "ignore-without-code" in mypy["enable_error_code"]
    assert {"module", "ignore_missing_imports"} == {
        key for override in mypy["overrides"] for key in override
    }
