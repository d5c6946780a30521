"""What the server's error codes mean, in our words. Pure: the server's own text is never seen."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Meaning(NamedTuple):
    """A word for the kind of error and a sentence for a person."""

    reason: str
    sentence: str


_BY_STATE: Mapping[str, Meaning] = MappingProxyType({
    "22012": Meaning("division-by-zero", "Something is divided by zero; write a / nullif(b, 0)."),
    "22P02": Meaning("bad-value", "A text cannot be read as the type it is cast to."),
    "22007": Meaning("bad-value", "A text cannot be read as a date or time."),
    "22008": Meaning("out-of-range", "A date or time lies outside of what can be told."),
    "22003": Meaning("out-of-range", "A number is too large for its type; cast it to numeric."),
    "22001": Meaning("out-of-range", "A text is too long for its type."),
    "2201B": Meaning("bad-pattern", "A regular expression is not valid."),
    "21000": Meaning("many-rows", "A subquery used as one value has more than one row."),
    "42601": Meaning("syntax", "The server cannot read the statement as it is written."),
    "42702": Meaning("ambiguous-column", "A column is in more than one table; write table.column."),
    "42703": Meaning("unknown-column", "There is no such column."),
    "42P01": Meaning("unknown-table", "There is no such table."),
    "42803": Meaning("grouping", "A column is neither grouped by nor in an aggregate."),
    "42804": Meaning("types", "Two values have types that do not go together; cast one of them."),
    "42846": Meaning("types", "A value cannot be cast to this type."),
    "42883": Meaning("types", "No function or operator fits these types; cast the arguments."),
    "42725": Meaning("types", "More than one function fits these types; cast the arguments."),
    "42P18": Meaning("types", "The type of a value cannot be told; cast it."),
    "42P20": Meaning("window", "A window function stands where it cannot."),
    "42P19": Meaning("recursion", "A recursive WITH query is not written as the server needs it."),
    "42P10": Meaning("columns", "A column is referred to in a way that is not possible here."),
    "42501": Meaning("not-allowed", "The statement calls or reads what a question may not."),
    "54000": Meaning("too-large", "A row or a value is larger than an answer may be."),
    "54001": Meaning("too-complex", "The statement is too complex; split it."),
    "53400": Meaning("too-large", "The question needs more temporary space than it may take."),
})  # fmt: skip

_BY_CLASS: Mapping[str, Meaning] = MappingProxyType({
    "21": Meaning("many-rows", "A subquery used as one value has more than one row."),
    "22": Meaning("bad-value", "A value does not fit where it is used."),
    "25": Meaning("not-allowed", "A question can only read."),
    "42": Meaning("not-valid", "The statement is not valid for these tables and types."),
    "53": Meaning("too-large", "The question needs more memory or space than there is."),
    "54": Meaning("too-large", "The question is larger than the server can take."),
    "0A": Meaning("not-supported", "The server cannot do this here; a view has no TABLESAMPLE."),
})  # fmt: skip

_UNKNOWN = Meaning("failed", "The database could not answer this question.")


def meaning_of(sqlstate: str | None) -> Meaning:
    """Return what an error code of the server means to whoever asked."""
    state = sqlstate or ""
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or _UNKNOWN
