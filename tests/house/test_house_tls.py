"""TLS towards others is set up in one place, so that one place says what counts as verified."""

import ast
from collections.abc import Iterator

import pytest
from house_sources import PACKAGE, package_files, place, tree

THE_ONE_MAKER = PACKAGE / "core" / "http" / "tls.py"
MAKERS = {
    "SSLContext",
    "create_default_context",
    "_create_unverified_context",
    "_create_stdlib_context",
    "_create_default_https_context",
    "wrap_socket",
}


def makings(module: ast.Module) -> Iterator[int]:
    """Yield the line of everything that makes a context, under whatever name it was imported."""
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in MAKERS:
                yield node.lineno
            case ast.ImportFrom(module="ssl", names=names):
                if any(alias.name in MAKERS | {"*"} for alias in names):
                    yield node.lineno
            case _:
                pass


def test_only_one_place_makes_a_context() -> None:
    """P6: what interpreters leave open (the oldest version, say) is decided once."""
    others = [path for path in package_files() if path != THE_ONE_MAKER]
    assert [] == [place(path, line) for path in others for line in makings(tree(path))]
    assert list(makings(tree(THE_ONE_MAKER)))


@pytest.mark.parametrize(
    "source",
    [
        "import ssl\nssl.create_default_context()",
        "import ssl as s\ns.SSLContext(s.PROTOCOL_TLS_CLIENT)",
        "from ssl import create_default_context as made",
        "from ssl import *",
        "import ssl\nssl._create_unverified_context()",
    ],
)
def test_the_check_sees_each_way_to_a_context(source: str) -> None:
    """The check itself can fail; a type in an annotation is none of its business."""
    assert list(makings(ast.parse(source)))
    assert [] == list(makings(ast.parse("import ssl\ndef f(tls: ssl.SSLContext): ...")))
