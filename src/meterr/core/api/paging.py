"""Pages by key: where the last one ended, and how much to send."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from meterr.core.errors import Invalid

After = Annotated[
    str | None,
    Query(max_length=200, description="`after` of the page before; left out for the first."),
]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of this page.")]

_Item = TypeVar("_Item")


def paged(
    items: Sequence[_Item], after: str | None, limit: int, key: Callable[[_Item], str]
) -> tuple[Sequence[_Item], str | None]:
    """
    Return one page of a list that is short enough to be whole, and the next page's ``after``.

    Raises Invalid when ``after`` is the key of no item.
    """
    begin = 0
    if after is not None:
        places = [place for place, item in enumerate(items) if key(item) == after]
        if not places:
            raise Invalid("after is the id that the page before ended with.", param="after")
        begin = places[0] + 1
    page = items[begin : begin + limit]
    return page, key(page[-1]) if begin + limit < len(items) else None
