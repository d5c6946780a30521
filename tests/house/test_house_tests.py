"""Tests about the tests: one that waits, mocks or asserts nothing proves nothing."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from house_sources import ROOT, collected_files, dotted, functions, place, same_scope, tree

_CHECKS = ("check", "_check", "assert", "_assert", "expect", "_expect")
_NEED_A_REASON = {"pytest.skip", "pytest.xfail", "pytest.mark.skip", "pytest.mark.xfail"}
_NEED_A_REASON |= {"pytest.mark.skipif"}

Finder = Callable[[ast.Module], Iterator[int]]


def cases_of(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (function for function in functions(module) if function.name.startswith("test_"))


def is_poll(loop: ast.AST) -> bool:
    """Return whether a loop can end by what it sees, not only by the number of its rounds."""
    if isinstance(loop, ast.While) and not isinstance(loop.test, ast.Constant):
        return True
    return any(isinstance(node, ast.Break | ast.Return | ast.Raise) for node in same_scope(loop))


def is_sleep(node: ast.AST) -> bool:
    """Return whether a call waits; ``sleep(0)`` only lets others run."""
    if not isinstance(node, ast.Call) or dotted(node.func).rpartition(".")[2] != "sleep":
        return False
    return not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)


def sleeps(module: ast.Module) -> Iterator[int]:
    """Yield each wait in the body of a test that is not inside a polling loop."""
    for test in cases_of(module):
        loops = [n for n in same_scope(test) if isinstance(n, ast.While | ast.For | ast.AsyncFor)]
        polled = {id(node) for loop in loops if is_poll(loop) for node in ast.walk(loop)}
        yield from (n.lineno for n in same_scope(test) if is_sleep(n) and id(n) not in polled)


def mocks(module: ast.Module) -> Iterator[int]:
    """Yield each import of a mocking library and each patch of our own code by its name."""
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names) if any("mock" in alias.name for alias in names):
                yield node.lineno
            case ast.ImportFrom(module=str(name), names=names):
                if "mock" in name or any(alias.name == "mock" for alias in names):
                    yield node.lineno
            case ast.arg(arg="mocker"):
                yield node.lineno
            case ast.Call(
                func=ast.Attribute(attr="setattr"), args=[ast.Constant(value=str(name)), *_]
            ):
                if name.startswith("meterr"):
                    yield node.lineno
            case _:
                pass


def is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    name = dotted(node.func) if isinstance(node, ast.Call) else ""
    last = name.rpartition(".")[2]
    return name in {"pytest.raises", "pytest.warns", "pytest.fail"} or last.startswith(_CHECKS)


def without_assertion(module: ast.Module) -> Iterator[int]:
    for test in cases_of(module):
        if not any(is_assertion(node) for node in ast.walk(test)):
            yield test.lineno


def without_reason(module: ast.Module) -> Iterator[int]:
    """Yield each skip and expected failure that does not say why."""
    calls = {id(n.func): n for n in ast.walk(module) if isinstance(n, ast.Call)}
    for node in ast.walk(module):
        name = dotted(node)
        if name not in _NEED_A_REASON:
            continue
        call = calls.get(id(node))
        texts = [k.value for k in call.keywords if k.arg in {"reason", "msg"}] if call else []
        if call and not name.endswith(("skipif", "xfail")):
            texts += call.args[:1]
        if not texts or (isinstance(texts[0], ast.Constant) and not texts[0].value):
            yield node.lineno


def is_argued(path: Path, line: int, finds: Finder) -> bool:
    """Return whether a wait gives its reason in the line above: that nothing happens takes time."""
    above = path.read_text().splitlines()[line - 2]
    return finds is sleeps and above.lstrip().startswith("# ")


FINDERS = [sleeps, mocks, without_assertion, without_reason]


@pytest.mark.parametrize("finds", FINDERS, ids=lambda finder: finder.__name__)
def test_no_test_sleeps_mocks_asserts_nothing_or_skips_in_silence(finds: Finder) -> None:
    """House: real PostgreSQL, real sockets, real processes; what is skipped says why."""
    assert collected_files()
    assert [] == [
        place(path, line)
        for path in collected_files()
        for line in finds(tree(path))
        if not is_argued(path, line, finds)
    ]


def test_a_wait_is_argued_only_by_a_comment_and_nothing_else_can_be(tmp_path: Path) -> None:
    """The exception is as narrow as it says."""
    file = tmp_path / "a.py"
    file.write_text("# Idle may not fire while nobody reads.\nsleep(1)\nsleep(1)\n")
    assert is_argued(file, 2, sleeps)
    assert not is_argued(file, 3, sleeps)
    assert not is_argued(file, 2, without_assertion)


def test_every_test_file_has_its_own_name() -> None:
    """Folders of tests are no packages: two files of one name would hide each other."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    names.pop("conftest.py", None)
    assert [] == [name for name, count in names.items() if count > 1]


@pytest.mark.parametrize(
    ("finds", "source"),
    [
        (sleeps, "def test_a():\n    time.sleep(1)"),
        (sleeps, "async def test_a():\n    await asyncio.sleep(DELAY)"),
        (sleeps, "def test_a():\n    for _ in range(3):\n        time.sleep(0.1)"),
        (mocks, "from unittest import mock"),
        (mocks, "from unittest.mock import patch"),
        (mocks, "import unittest.mock"),
        (mocks, "def test_a(mocker): ..."),
        (mocks, "def test_a(m):\n    m.setattr('meterr.core.clock.SystemClock', 1)"),
        (without_assertion, "def test_a():\n    f()"),
        (without_assertion, "def test_a():\n    assert True"),
        (without_reason, "pytest.skip()"),
        (without_reason, "pytest.skip(reason='')"),
        (without_reason, "@pytest.mark.skip\ndef test_a(): ..."),
        (without_reason, "@pytest.mark.skipif(True)\ndef test_a(): ..."),
    ],
)
def test_the_checks_see_tests_that_prove_nothing(finds: Finder, source: str) -> None:
    """The checks themselves can fail."""
    assert list(finds(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "def test_a():\n    while not done():\n        time.sleep(0.01)\n    assert done()",
        "async def test_a():\n    await asyncio.sleep(0)\n    check(1, 2)",
        "def test_a():\n    def late():\n        time.sleep(9)\n    assert_cut(late)",
        "def test_a():\n    with pytest.raises(OSError):\n        f()",
        "@pytest.mark.skipif(True, reason='needs npm')\ndef test_a():\n    assert f()",
        "def test_a():\n    pytest.skip(f'{a} is not here')\n    assert f()",
    ],
)
def test_the_checks_let_honest_tests_pass(source: str) -> None:
    """The checks do not cry wolf: polling ends by what it sees, a hostile server may dawdle."""
    assert [] == [line for finds in FINDERS for line in finds(ast.parse(source))]


def test_a_process_of_a_test_can_be_interrupted() -> None:
    """House: a run in a shell's background is a run like any other; Ctrl+C is ignored there."""
    asked = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert "True\n" == told.stdout
