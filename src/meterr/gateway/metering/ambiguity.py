"""
Refusing fields that two parsers could read differently.

The provider gets the caller's bytes, and of a field that occurs twice it might take the other
one; some servers also take ``Model`` for ``model``, or fold the long s and the Kelvin sign to
letters. So a field we read must occur once at the top level, in plain lower case.

The usual body is settled by counting bytes: inside a JSON string a quote is escaped, so ``"model"``
is always a whole token, and if it occurs once, and we read a value, that is the only one. Otherwise
occurrences are weighed against those inside values, still without building any of them.
"""

import re
from collections.abc import Mapping
from itertools import compress, repeat
from operator import is_not

import msgspec

from meterr.core.errors import Invalid

# Weighing a body whose field names we do not know builds an object per field; beyond this size a
# body made of nothing but fields would hold up everyone else.
UNKNOWN_FIELDS_BYTES_MAX = 1024 * 1024

# Escapes that spell a letter, an underscore or a sign that folds to a letter; and those two signs.
_DISGUISE = re.compile(
    rb"\\u00(?:4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])|\\u017[fF]|\\u212[aA]"
    rb"|\xc5\xbf|\xe2\x84\xaa"
)


_BACKSLASH = 0x5C


class _Containers(msgspec.Struct):
    """Fields of all surfaces in which callers nest names of their own, and those that we read."""

    messages: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    metadata: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    response_format: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()
    functions: msgspec.Raw = msgspec.Raw()
    prediction: msgspec.Raw = msgspec.Raw()
    user: msgspec.Raw = msgspec.Raw()
    model: msgspec.Raw = msgspec.Raw()
    stream_options: msgspec.Raw = msgspec.Raw()
    service_tier: msgspec.Raw = msgspec.Raw()


_CONTAINERS = msgspec.json.Decoder(_Containers)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


Tokens = Mapping[str, bytes]


def tokens_of(shape: type[msgspec.Struct]) -> Tokens:
    """Return the fields of ``shape`` in order, each with its name as a JSON token."""
    return {name: b'"%b"' % name.encode() for name in shape.__struct_fields__}


def refuse_ambiguity(body: bytes, request: msgspec.Struct, tokens: Tokens) -> None:
    """
    Raise ``Invalid`` unless each field of ``request``, decoded from ``body``, has one reading.

    Absent fields of ``request`` are UNSET; ``tokens`` are those of its type.
    """
    lowered = body.lower()
    given = tuple(map(is_not, msgspec.structs.astuple(request), repeat(msgspec.UNSET)))
    if tuple(map(lowered.count, tokens.values())) == given and not disguised(body):
        return
    present = set(compress(tokens, given))
    containers = _CONTAINERS.decode(body)
    values = b"\n".join(map(bytes, msgspec.structs.astuple(containers)))
    if _unexplained(lowered, tokens, present, values) is not None:
        _weigh_members(body, lowered, tokens)


def refuse_ambiguous_options(options: bytes, *, given: bool) -> None:
    """Raise ``Invalid`` unless ``include_usage`` has one reading in the object ``options``."""
    if options.lower().count(b'"include_usage"') != given or _DISGUISE.search(options):
        raise Invalid(
            'stream_options: write "include_usage" once, in plain lower case.',
            param="stream_options",
        )


def _weigh_members(body: bytes, lowered: bytes, names: Tokens) -> None:
    if len(body) > UNKNOWN_FIELDS_BYTES_MAX:
        raise Invalid(
            "A field that meterr reads (" + ", ".join(names) + ") seems to occur more than once; "
            "in a body of this size it may not occur inside fields that meterr does not know."
        )
    members = _MEMBERS.decode(body)
    for key in members:
        name = key.casefold()
        if key not in names and name in names:
            raise Invalid(f'Write the field "{name}" in plain lower case.', param=name)
    present = {name for name in names if name in members}
    doubtful = _unexplained(lowered, names, present, b"\n".join(map(bytes, members.values())))
    if doubtful == "":
        raise Invalid("Write the names of top-level fields without \\u escapes, each once.")
    if doubtful is not None:
        raise Invalid(f'The field "{doubtful}" occurs more than once.', param=doubtful)


def _unexplained(lowered: bytes, names: Tokens, present: set[str], values: bytes) -> str | None:
    """
    Return a field with more occurrences than itself and those in ``values``; None for none.

    "" stands for escapes, or signs that fold to letters, outside of ``values``.
    """
    inside = values.lower()
    for name, token in names.items():
        count = lowered.count(token) - inside.count(token) - (name in present)
        if count:  # below zero: its only occurrence is spelled with escapes
            return name if count > 0 else ""
    if len(_DISGUISE.findall(lowered)) != len(_DISGUISE.findall(inside)):
        return ""
    return None


def disguised(body: bytes) -> bool:
    """Return whether ``body`` spells a letter with an escape, or has a sign that folds to one."""
    if _BACKSLASH not in body and body.isascii():
        return False
    return _DISGUISE.search(body) is not None
