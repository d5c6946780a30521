"""The process environment is read once, in core/settings.py, and nowhere else."""

import ast
from collections.abc import Iterator

import pytest
from house_sources import PACKAGE, dotted, package_files, place, tree

THE_ONE_READER = PACKAGE / "core" / "settings.py"
NAMES = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
# click reads variables by itself when a parameter names one.
CLICK_KEYWORDS = {"envvar", "auto_envvar_prefix", "show_envvar"}


def readings(module: ast.Module) -> Iterator[int]:
    """Yield the line of everything that reaches for the environment, under whatever name."""
    for node in ast.walk(module):
        match node:
            case ast.Attribute(attr=name) if name in NAMES:
                yield node.lineno
            case ast.ImportFrom(module="os" | "posix", names=names):
                if any(alias.name in NAMES | {"*"} for alias in names):
                    yield node.lineno
            case ast.Call(func=function, args=[_, ast.Constant(value=str(name)), *_]):
                if dotted(function) == "getattr" and name in NAMES:
                    yield node.lineno
            case ast.keyword(arg=str(name)) if name in CLICK_KEYWORDS:
                yield node.lineno
            case _:
                pass


def test_only_settings_reads_the_environment() -> None:
    """House: one frozen Settings is the only way in, so `config show` can tell the whole truth."""
    others = [path for path in package_files() if path != THE_ONE_READER]
    assert others
    assert [] == [place(path, line) for path in others for line in readings(tree(path))]


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['A']",
        "import os as o\no.getenv('A')",
        "from os import environ",
        "from os import getenv as g",
        "from os import *",
        "import os\ngetattr(os, 'environ')",
        "import os\nos.environb",
        "@option('--url', envvar='METERR_URL')\ndef f(): ...",
    ],
)
def test_the_check_sees_each_way_to_the_environment(source: str) -> None:
    """The check itself can fail."""
    assert list(readings(ast.parse(source)))


def test_the_check_lets_other_uses_of_os_pass() -> None:
    """The check does not cry wolf: a word in a text, or another attribute, reads nothing."""
    assert [] == list(readings(ast.parse("import os\nos.urandom(4)\n'os.environ'\nenviron = {}")))
