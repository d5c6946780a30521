"""Whether two results say the same: rows as a bag, columns in any order and by any name."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice, permutations

Rows = Sequence[Sequence[object]]
_TRIED_MAX = 5_000


def same(answer: Rows, gold: Rows, *, ordered: bool = False) -> bool:
    """
    Return whether ``answer`` holds what ``gold`` holds.

    More columns than gold's are allowed, more or fewer rows are not. Numbers are compared as
    numbers, to six places.
    """
    if len(answer) != len(gold):
        return False
    if not gold:
        return True
    ours, theirs = [list(map(_plain, row)) for row in answer], [tuple(map(_plain, r)) for r in gold]
    width = len(theirs[0])
    columns = list(zip(*ours, strict=True))
    wanted = list(zip(*theirs, strict=True))
    fits = [[at for at, mine in enumerate(columns) if Counter(mine) == Counter(w)] for w in wanted]
    if not all(fits):
        return False
    for chosen in islice(permutations(range(len(columns)), width), _TRIED_MAX):
        if all(at in fits[place] for place, at in enumerate(chosen)):
            rows = [tuple(row[at] for at in chosen) for row in ours]
            if rows == theirs if ordered else Counter(rows) == Counter(theirs):
                return True
    return False


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return str(value)  # else it would equal 0 or 1
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    return number if number.is_nan() else round(number, 6).normalize()
