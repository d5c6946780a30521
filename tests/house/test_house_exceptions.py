"""A broad except says why; a switched-off check says which one and why."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest
from house_sources import dotted, place, python_files

_BROAD = {"Exception", "BaseException"}
_DIRECTIVE = re.compile(
    r"#\s*(?P<kind>type:\s*ignore|noqa|pyright:|mypy:|ruff:|flake8:)"
    r"(?P<code>\[[a-z-]+(, ?[a-z-]+)*\]|:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?(?P<rest>.*)"
)


def is_broad(node: ast.AST) -> bool:
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.Tuple(elts=types)):
            return any(dotted(each) in _BROAD for each in types)
        case ast.ExceptHandler(type=ast.expr() as only):
            return dotted(only) in _BROAD
        case ast.Call(func=function, args=types) if dotted(function).endswith("suppress"):
            return any(dotted(each) in _BROAD for each in types)
        case _:
            return False


def unexplained(source: str) -> list[int]:
    """Return the line of each broad except without a comment in the line above it."""
    lines = source.splitlines()
    broad = [node.lineno for node in ast.walk(ast.parse(source)) if is_broad(node)]
    return [line for line in broad if not re.match(r"\s*#\s*\w+\W+\w+", lines[line - 2])]


def nameless(source: str) -> Iterator[int]:
    """Yield each directive's line that names no code, or no reason there or in the line above."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        directive = _DIRECTIVE.search(token.string) if token.type == tokenize.COMMENT else None
        if not directive:
            continue
        line = token.start[0]
        reasoned = re.search(r"\w+\W+\w+", directive["rest"]) or lines[
            line - 2
        ].lstrip().startswith("#")
        whole_file = directive["kind"].endswith(":")
        if whole_file or not directive["code"] or not reasoned:
            yield line


def test_every_broad_except_gives_its_reason_in_the_line_above() -> None:
    """House: broad excepts turned denials into allowances elsewhere; here each one is argued."""
    files = python_files()
    assert files
    assert [] == [place(path, line) for path in files for line in unexplained(path.read_text())]


def test_every_switched_off_check_names_its_code_and_its_reason() -> None:
    """House: an ignore without a code ignores tomorrow's mistake as well."""
    files = python_files()
    assert [] == [place(path, line) for path in files for line in nameless(path.read_text())]


@pytest.mark.parametrize(
    "handler",
    ["except:", "except Exception:", "except BaseException as e:", "except (OSError, Exception):"],
)
def test_a_broad_except_without_a_reason_is_seen(handler: str) -> None:
    """The check itself can fail, and a comment that gives the reason satisfies it."""
    assert [3] == unexplained(f"try:\n    f()\n{handler}\n    pass\n")
    assert [] == unexplained(
        f"try:\n    f()\n# A probe must never stop the probed.\n{handler}\n    pass\n"
    )


def test_a_broad_suppress_is_an_except_and_a_narrow_one_is_not() -> None:
    """Positive and negative space."""
    assert [2] == unexplained("a = 1\nwith contextlib.suppress(Exception):\n    f()\n")
    assert [] == unexplained("a = 1\nwith suppress(OSError):\n    f()\n")


@pytest.mark.parametrize(
    ("comment", "allowed"),
    [
        ("type: ignore", False),
        ("type: ignore[arg-type]", False),
        ("type: ignore[arg-type]  # psycopg types it wrongly", True),
        ("no" + "qa", False),
        ("no" + "qa: S101", False),
        ("no" + "qa: S101 - shown to a person", True),
        ("ruff: no" + "qa", False),
        ("mypy: ignore-errors", False),
        ("a word about types: ignore them", True),
    ],
)
def test_a_directive_needs_a_code_and_a_reason(comment: str, allowed: bool) -> None:
    """The check itself can fail."""
    assert allowed == (not list(nameless(f"a = 1\nf()  # {comment}\n")))
