"""Unknown names are refused with the nearest valid one."""

import difflib
from collections.abc import Sequence


def nearest(name: str, names: Sequence[str]) -> str:
    """Return `` (did you mean X?)`` for the closest of ``names``, or `` (valid: ...)``."""
    if not names:
        return ""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else f" (valid here: {', '.join(sorted(names))})"
