"""Which model names may be repeated where others read: logs, the ledger, error texts. Pure."""

import re

_SHAPE = re.compile(r"(?!sk-)[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


def repeatable(name: str) -> str:
    """
    Return ``name`` if it looks like a model's, else nothing.

    A caller may put anything into the field: a prompt by a slip of the editor, or a key. Names of
    calls that leave are kept as they are, since a provider knows them.
    """
    return name if _SHAPE.fullmatch(name) else ""
