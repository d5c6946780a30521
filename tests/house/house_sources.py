"""What the house checks read: our files, as tracked or about to be, and their syntax trees."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "meterr"
_NOT_OURS = {".git", ".venv", "node_modules", "__pycache__", "dist", "build", ".peers", ".build"}


def repository_files() -> list[Path]:
    """Return every file that is tracked, or would be with ``git add``; without git, every file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        return sorted(path for name in listed.stdout.split("\0") if (path := ROOT / name).is_file())
    return sorted(
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not _NOT_OURS.intersection(path.relative_to(ROOT).parts)
    )


def package_files() -> list[Path]:
    """Return every Python file of the product."""
    return sorted(PACKAGE.rglob("*.py"))


def python_files() -> list[Path]:
    """Return every Python file of the repository, ./dev included."""
    return [path for path in repository_files() if path.suffix == ".py" or path == ROOT / "dev"]


def collected_files() -> list[Path]:
    """Return every file that pytest collects."""
    return sorted((ROOT / "tests").rglob("test_*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def place(path: Path, line: int) -> str:
    """Render a finding as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{line}"


def functions(module: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for a name or an attribute of one, and "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when ``node`` runs: everything below it except bodies of nested functions."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from same_scope(child)
