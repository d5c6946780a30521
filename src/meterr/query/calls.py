"""Judge a call of a function: its name, and arguments that decide how large it grows. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from meterr.query.functions import FUNCTIONS, INSTEAD
from meterr.query.names import Node, strings
from meterr.query.refusal import Code, echo, nearest, refuse

# One value of a longer text would be memory that no timeout limits. A courtesy, not a wall: text
# can be made long in many ways, and the server's own limits are what ends them. So a length that
# comes from the data passes: repeat('#', count(*)::int / 10) draws a bar.
TEXT_CHARS_MAX = 10_000
SERIES_ROWS_MAX = 1_000_000
FACTORIAL_MAX = 1_000

# What makes a large number of small ones.
_GROWING = frozenset({"power", "pow", "exp", "lcm"})

_DIRECTIVE = re.compile(r"%(?:\d+\$)?-?(\*|\d+)")

Judge = Callable[[str, list[Node], int], None]


def judge_call(body: Node, at: int) -> str:
    """Return the bare name of an allowed function; raise ``Refused`` for any other call."""
    names = strings(body["funcname"])
    if len(names) == 2 and names[0] == "pg_catalog":
        names = names[1:]
    if len(names) != 1 or names[0] not in FUNCTIONS:
        _refuse_function(names, at)
    name = names[0]
    if judge := _ARGUMENTS.get(name):
        judge(name, body.get("args", []), at)
    return name


def _refuse_function(names: list[str], at: int) -> None:
    shown = echo(".".join(names))
    text = f"The function {shown} cannot be used in a question"
    if instead := INSTEAD.get(names[-1]):
        refuse(Code.FUNCTION, f"{text}; here it is written {instead}.", at)
    if len(names) > 1:
        refuse(Code.FUNCTION, f"{text}; only PostgreSQL's own, without a schema.", at)
    near = nearest(names[-1], FUNCTIONS)
    refuse(Code.FUNCTION, f"{text}; did you mean {near[0]}?" if near else f"{text}.", at)


def _integer(node: Node) -> int | None:
    """Return the value of a whole-number constant, None for anything else."""
    match node:
        case {"A_Const": {"ival": dict(number)}}:
            return int(number.get("ival", 0))
        case {"A_Const": {"fval": {"fval": str(digits)}}}:
            return _whole(digits)
        case {"A_Expr": {"name": [{"String": {"sval": "-"}}], "rexpr": dict(inner), **rest}}:
            value = None if "lexpr" in rest else _integer(inner)
            return -value if value is not None else None
        case _:
            return None


def _whole(digits: str) -> int | None:
    """Read a number that is no small integer; one with a huge exponent counts as very large."""
    try:
        return int(min(float(digits), 1e18)) if digits.isascii() else None
    except ValueError:
        return None


def _is_small(node: Node) -> bool:
    """Return whether a length is at most TEXT_CHARS_MAX by what is written, not by the data."""
    value = _integer(node)
    if value is not None:
        return value <= TEXT_CHARS_MAX
    match node:
        case {"MinMaxExpr": {"op": "IS_LEAST", "args": list(args)}}:
            return any(_is_small(each) for each in args)
        case _:
            return False


def _parts(length: Node) -> Iterator[Node]:
    """Yield every node of an expression but those that a part of it is divided by."""
    left: list[Any] = [length]
    while left:
        match left.pop():
            case list(items):
                left += items
            case {"A_Expr": {"name": [{"String": {"sval": "/" | "%"}}], "lexpr": divided}}:
                left.append(divided)
            case dict(node):
                yield node
                left += node.values()


def _makes_large(node: Node) -> bool:
    """Return whether a node is a large number, or what makes one of small ones."""
    match node:
        case {"A_Const": {"sval": {"sval": str(text)}}}:
            return (_whole(text) or 0) > TEXT_CHARS_MAX
        case {"A_Const": _}:
            return (_integer(node) or 0) > TEXT_CHARS_MAX
        case {"FuncCall": {"funcname": list(names)}}:
            return strings(names)[-1] in _GROWING
        case {"A_Expr": {"name": [{"String": {"sval": "^" | "<<"}}]}} | {"SubLink": _}:
            return True
        case _:
            return False


def _follows_data(length: Node) -> bool:
    """Return whether a length is made of columns and counts, and of no number that is large."""
    parts = list(_parts(length))
    from_data = any("ColumnRef" in part or part.get("agg_star") for part in parts)
    return from_data and not any(map(_makes_large, parts))


def _judge_length(name: str, args: list[Node], at: int) -> None:
    length = args[1] if len(args) > 1 else {"NamedArgExpr": {}}
    if "NamedArgExpr" not in length and (_is_small(length) or _follows_data(length)):
        return
    refuse(
        Code.FUNCTION_ARGUMENT,
        f"{name} needs a length that is at most {TEXT_CHARS_MAX} as it is written: a number, a"
        f" column or a count, or least(expression, 100).",
        at,
    )


def _judge_format(name: str, args: list[Node], at: int) -> None:
    match args:
        case [{"A_Const": {"sval": dict(text)}}, *_]:
            widths = _DIRECTIVE.findall(text.get("sval", ""))
        case _:
            refuse(Code.FUNCTION_ARGUMENT, f"{name} needs a constant text as its first word.", at)
    if any(width == "*" or len(width) > 4 for width in widths):
        sentence = f"{name} takes widths up to 9999 here, written as numbers."
        refuse(Code.FUNCTION_ARGUMENT, sentence, at)


def _judge_series(name: str, args: list[Node], at: int) -> None:
    """Refuse a series of constant numbers that is too long; others end by the server's timeout."""
    numbers = [_integer(each) for each in args]
    start, stop, step = (*numbers, 1)[:3] if len(numbers) == 2 else (*numbers, None, None, None)[:3]
    if start is None or stop is None or not step:
        return
    if (stop - start) // step > SERIES_ROWS_MAX:
        text = f"{name} makes at most {SERIES_ROWS_MAX:,} rows here; use a larger step."
        refuse(Code.FUNCTION_ARGUMENT, text, at)


def _judge_factorial(name: str, args: list[Node], at: int) -> None:
    """Refuse a number that is not written: the factorial of one from the data may take seconds."""
    value = _integer(args[0]) if len(args) == 1 else None
    if value is None or value > FACTORIAL_MAX:
        text = f"{name} takes a number that is written, at most {FACTORIAL_MAX:,}."
        refuse(Code.FUNCTION_ARGUMENT, text, at)


_ARGUMENTS: Mapping[str, Judge] = {
    "lpad": _judge_length,
    "rpad": _judge_length,
    "repeat": _judge_length,
    "format": _judge_format,
    "factorial": _judge_factorial,
    "generate_series": _judge_series,
}
