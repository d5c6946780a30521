"""Unknown names are refused with the nearest valid one."""

import difflib
from collections.abc import Sequence


def closest(name: str, names: Sequence[str]) -> str | None:
    """Return the one of ``names`` that was probably meant, or None."""
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), None)


def nearest(name: str, names: Sequence[str]) -> str:
    """Return `` (did you mean X?)`` for the closest of ``names``, or `` (valid: ...)``."""
    if not names:
        return ""
    close = closest(name, names)
    return f" (did you mean {close}?)" if close else f" (valid here: {', '.join(sorted(names))})"
