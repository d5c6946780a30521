"""Sizes: what does not fit on a screen is not read, and what is not read is not right."""

import ast
from statistics import median

from house_sources import functions, package_files, place, python_files, tree

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FILE_LINES_MEDIAN_MAX = 110


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count from the ``def`` to the last line, docstring and comments included."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def long_functions(module: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [function for function in functions(module) if lines_of(function) > FUNCTION_LINES_MAX]


def test_no_python_file_is_longer_than_400_lines() -> None:
    """House: 400 lines is where a file has become two; there are no exceptions to record."""
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}
    assert [] == [place(path, n) for path, n in lengths.items() if n > FILE_LINES_MAX]


def test_no_function_is_longer_than_60_lines() -> None:
    """House: most functions are under 15 lines, none is over 60, in tests neither."""
    assert [] == [
        f"{place(path, function.lineno)} {function.name}: {lines_of(function)} lines"
        for path in python_files()
        for function in long_functions(tree(path))
    ]


def test_the_median_file_of_the_product_is_near_100_lines() -> None:
    """House: a few long files among many short ones would pass the limits and still be a wall."""
    lengths = [len(path.read_text().splitlines()) for path in package_files()]
    assert median(lengths) <= FILE_LINES_MEDIAN_MAX


def test_the_ratchet_sees_a_function_of_61_lines_and_lets_60_pass() -> None:
    """The check itself can fail: nested and async functions count too."""
    body = "\n".join("        pass" for _ in range(59))
    assert [] == long_functions(ast.parse(f"class A:\n    async def f():\n{body}\n"))
    assert 1 == len(
        long_functions(ast.parse(f"class A:\n    async def f():\n{body}\n        pass\n"))
    )
