"""The operators and collations that a question may use, by name. Pure."""

from typing import Any

from meterr.query.refusal import Code, echo, refuse

_SYMBOLS = """
    = <> != < > <= >= + - * / % ^ |/ ||/ @ & | # ~ << >>
    || ~~ !~~ ~~* !~~* ~* !~ !~* ^@
    -> ->> #> #>> #- @> <@ ? ?| ?& && @? @@ -|- &< &> <<= >>= !! <->
"""
OPERATORS: frozenset[str] = frozenset(_SYMBOLS.split())

# The parser gives these constructs a word where others have an operator.
_WORDS = frozenset({"BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"})

# What ASC and DESC stand for.
_ORDERS = frozenset({"<", ">"})

_BUILT_IN = "default C POSIX ucs_basic unicode pg_c_utf8 pg_unicode_fast en_US en_US.utf8 C.utf8"
_COLLATIONS = frozenset(_BUILT_IN.split())
_ICU = "-x-icu"


def judge_operator(name: list[dict[str, Any]], at: int) -> None:
    """Raise ``Refused`` unless the operator is in the list; a schema may only be pg_catalog."""
    words = [part.get("String", {}).get("sval", "") for part in name]
    if len(words) == 2 and words[0] == "pg_catalog":
        words = words[1:]
    if len(words) != 1:
        shown = echo(".".join(words))
        refuse(Code.OPERATOR, f"OPERATOR({shown}) cannot be used; write the bare operator.", at)
    if words[0] not in OPERATORS and words[0] not in _WORDS:
        hint = {"==": " Equality is =.", "<=>": " Write IS NOT DISTINCT FROM."}
        text = f"The operator {echo(words[0])} cannot be used in a question."
        refuse(Code.OPERATOR, text + hint.get(words[0], ""), at)


def judge_order(sort: dict[str, Any], at: int) -> None:
    """Raise ``Refused`` if a sort key is ordered by another operator than ASC and DESC use."""
    name = sort.get("useOp", [])
    if not name:
        return
    judge_operator(name, at)
    if name[-1]["String"]["sval"] not in _ORDERS:
        refuse(Code.OPERATOR, "Rows are ordered using < or >; or write asc or desc.", at)


def judge_collation(name: list[dict[str, Any]], at: int) -> None:
    """Raise ``Refused`` unless the collation is C, the default, or one of ICU's."""
    words = [part.get("String", {}).get("sval", "") for part in name]
    if len(words) == 2 and words[0] == "pg_catalog":
        words = words[1:]
    if len(words) == 1 and (words[0] in _COLLATIONS or words[0].endswith(_ICU)):
        return
    shown = echo(".".join(words))
    refuse(Code.COLLATION, f'The collation {shown} cannot be used; "C" and "und-x-icu" can.', at)
