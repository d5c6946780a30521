"""The same furniture in every room: a README that fits on a screen and a face one can remember."""

import ast
from pathlib import Path

import pytest
from house_sources import PACKAGE, tree

FACE_NAMES_MAX = 15
README_LINES_MAX = 40

ROOMS = sorted(
    path
    for path in PACKAGE.iterdir()
    if path.is_dir() and (any(path.rglob("*.py")) or any(path.rglob("*.sql")))
)


def face(init: ast.Module) -> set[str]:
    """Return the public names that a package's __init__ offers."""
    names: set[str] = set()
    for node in init.body:
        match node:
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return {name for name in names if not name.startswith("_")}


def test_there_are_rooms() -> None:
    """Without rooms every other check here would pass."""
    assert {"core", "ledger"} <= {room.name for room in ROOMS}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_room_has_a_readme_that_fits_on_a_screen(room: Path) -> None:
    """DESIGN 3: purpose, face, invariants written as absences; at most 40 lines."""
    readme = room / "README.md"
    assert readme.is_file()
    assert 1 < len(readme.read_text().splitlines()) <= README_LINES_MAX


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_room_shows_at_most_15_names(room: Path) -> None:
    """DESIGN 3: the public face is `__init__.py`; what is not in it is the room's own business."""
    init = room / "__init__.py"
    if not any(room.rglob("*.py")):
        assert not init.exists()
        return
    assert init.is_file()
    assert len(face(tree(init))) <= FACE_NAMES_MAX


def test_every_package_says_that_it_is_one() -> None:
    """A folder with Python but without `__init__.py` is a namespace: tools skip it silently."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [] == sorted(
        str(f.relative_to(PACKAGE)) for f in folders if not (f / "__init__.py").is_file()
    )


def test_no_module_is_a_drawer_for_everything() -> None:
    """House: a name says what is inside; utils, common, helpers, misc and base say nothing."""
    drawers = {"util", "utils", "common", "helper", "helpers", "misc", "base", "shared", "tools"}
    assert [] == [path.name for path in PACKAGE.rglob("*") if path.stem in drawers]


def test_the_face_counts_what_is_public() -> None:
    """The check itself can fail: imports, definitions and constants count, private names do not."""
    init = ast.parse(
        "from a import b as c, _d\nX = 1\ny: int = 2\ndef f(): ...\nclass G: ...\n_h = 1"
    )
    assert {"c", "X", "y", "f", "G"} == face(init)
