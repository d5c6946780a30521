"""What FastAPI found wrong with a request, in our words: the field, never what it held. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meterr.core.errors import Invalid

_PARAM_CHARS_MAX: Final = 100
_TOP: Final = 2  # "body", and the field
_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is no field of this request",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
}


def invalid(errors: Sequence[Mapping[str, Any]], fields: Sequence[str] = ()) -> Invalid:
    """
    Return the refusal for validation errors: the first of them, and how many there are.

    ``fields`` are those that the body has at its top, for somebody who sent another.
    """
    first = errors[0]
    place = _place(first["loc"])
    kind = str(first["type"])
    # The library's messages name types and bounds of ours; only those of our own checks
    # (value_error) and enumerations have more, and both are texts of ours too.
    what = _WORDS.get(kind) or f"is not valid: {first['msg']}"
    if kind == "extra_forbidden" and len(first["loc"]) == _TOP and fields:
        what += f"; these are: {', '.join(fields)}"
    more = f" ({len(errors)} fields are wrong.)" if len(errors) > 1 else ""
    return Invalid(f"{place or 'The request body'} {what}.{more}", param=place or None)


def _place(loc: Sequence[str | int]) -> str:
    """Return a field's place, e.g. ``models.3``; names that a caller made up are cut."""
    names = [str(each) for each in loc[1:]]
    return ".".join(names)[:_PARAM_CHARS_MAX].encode("ascii", "replace").decode("ascii")
