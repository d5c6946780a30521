"""Who may import whom, and what a module may hold: no state, nothing opened at import time."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house_sources import PACKAGE, ROOT, dotted, functions, package_files, place, same_scope, tree

_MUTABLE_CALLS = {
    "dict",
    "list",
    "set",
    "defaultdict",
    "deque",
    "OrderedDict",
    "Counter",
    "bytearray",
}
_MUTABLE_CALLS |= {"WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "SimpleQueue"}
_MUTATORS = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop"}
_MUTATORS |= {"popitem", "popleft", "remove", "setdefault", "update"}
_OPENERS = {
    "open",
    "connect",
    "socket",
    "create_connection",
    "Popen",
    "check_output",
    "Thread",
    "Lock",
}
_OPENERS |= {
    "RLock",
    "Event",
    "Condition",
    "Semaphore",
    "Queue",
    "new_event_loop",
    "mkstemp",
    "mkdtemp",
}
_OPENERS |= {
    "TemporaryDirectory",
    "NamedTemporaryFile",
    "ThreadPoolExecutor",
    "ProcessPoolExecutor",
}


def name_called(node: ast.AST | None) -> str:
    return dotted(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def is_mutable(value: ast.expr | None) -> bool:
    literals = ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp
    return isinstance(value, literals) or name_called(value) in _MUTABLE_CALLS


def module_values(module: ast.Module) -> Iterator[tuple[str, ast.expr, int]]:
    """Yield name, value and line of each assignment at the top of a module."""
    for node in module.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((dotted(target), value, node.lineno) for target in targets)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield dotted(target), value, node.lineno
            case _:
                pass


def changes(module: ast.Module, names: set[str]) -> Iterator[int]:
    """Yield the line of each function statement that changes one of the module's values."""
    for function in functions(module):
        for node in ast.walk(function):
            match node:
                case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                    if name in names:
                        yield node.lineno
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                    if name in names and method in _MUTATORS:
                        yield node.lineno
                case _:
                    pass


def state(module: ast.Module) -> set[int]:
    """Return the lines where a module holds something that can change, or changes it."""
    mutable = [(name, line) for name, value, line in module_values(module) if is_mutable(value)]
    variables = {line for name, line in mutable if name != "__all__" and name != name.upper()}
    declared = {n.lineno for n in ast.walk(module) if isinstance(n, ast.Global)}
    return variables | declared | set(changes(module, {name for name, _ in mutable}))


def openings(module: ast.Module) -> set[int]:
    """Return the lines where importing a module opens something or starts something."""
    return {node.lineno for node in same_scope(module) if name_called(node) in _OPENERS}


def inner_imports(module: ast.Module) -> set[int]:
    return {
        node.lineno
        for function in functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom) or name_called(node) == "import_module"
    }


def contracts() -> list[dict[str, Any]]:
    """Return the contracts of import-linter."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return list(configuration["tool"]["importlinter"]["contracts"])


def layers() -> set[str]:
    """Return every name in the layers contract, and those it leaves out on purpose."""
    contract = next(c for c in contracts() if c["type"] == "layers")
    assert contract["exhaustive"]
    named = {name for layer in contract["layers"] for name in re.findall(r"\w+", layer)}
    return named | set(contract["exhaustive_ignores"])


def test_every_room_is_placed_in_the_layers() -> None:
    """DESIGN 3: a new top-level package fails until it is placed."""
    top = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))
    }
    assert set() == top - {"__init__"} - layers()


def test_each_store_is_private_to_its_room() -> None:
    """DESIGN 3: `X.store` is imported only inside X; each has a contract that says so."""
    importers = {
        name: contract["allowed_importers"]
        for contract in contracts()
        for name in contract.get("protected_modules", [])
    }
    rooms = [
        ".".join(("meterr", *path.parent.relative_to(PACKAGE).parts))
        for path in PACKAGE.rglob("store.py")
    ]
    assert importers == {f"{room}.store": [room] for room in rooms}


def test_the_import_contracts_are_kept() -> None:
    """DESIGN 3: rooms import only what lies below them, and no room's store but their own."""
    lint = Path(sys.executable).with_name("lint-imports")
    kept = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == kept.returncode, kept.stdout + kept.stderr


@pytest.mark.parametrize(
    "finds", [state, openings, inner_imports], ids=lambda check: check.__name__
)
def test_no_module_holds_state_or_opens_anything_or_imports_inside_a_function(finds) -> None:
    """House: two tests in one process, two gateways in one process, and no surprise at import."""
    assert [] == [place(path, line) for path in package_files() for line in finds(tree(path))]


@pytest.mark.parametrize(
    ("finds", "source"),
    [
        (state, "cache = {}"),
        (state, "seen: set[str] = set()"),
        (state, "waiting = collections.deque()"),
        (state, "names = [n for n in x]"),
        (state, "_CACHE = {}\ndef f(a):\n    _CACHE[a] = 1"),
        (state, "_SEEN = set()\nclass A:\n    def f(self):\n        _SEEN.add(1)"),
        (state, "def f():\n    global a\n    a = 1"),
        (openings, "log = open('a')"),
        (openings, "class A:\n    lock = threading.Lock()"),
        (openings, "if True:\n    db = psycopg.connect()"),
        (inner_imports, "def f():\n    import json"),
        (inner_imports, "async def f():\n    if a:\n        from b import c"),
        (inner_imports, "def f():\n    importlib.import_module('a')"),
    ],
)
def test_the_checks_see_state_openings_and_inner_imports(finds, source: str) -> None:
    """The checks themselves can fail."""
    assert finds(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "import json\nRATES = {'a': 1}\n__all__ = ['a']",
        "def f():\n    found = {}\n    found['a'] = 1\n    return open('a')",
        "_SQL = load_sql(__package__)",
        "class A:\n    def f(self):\n        self.lock = threading.Lock()",
    ],
)
def test_the_checks_let_constants_and_local_values_pass(source: str) -> None:
    """The checks do not cry wolf."""
    module = ast.parse(source)
    assert set() == state(module) | openings(module) | inner_imports(module)
