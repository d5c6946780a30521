"""Pages of a list by id: how much to send, and where the last one ended. Pure."""

from typing import Final

from meterr.core.errors import Invalid
from meterr.identity.terms import is_uuid

PAGE_MAX: Final = 200


def check_page(after: str | None, limit: int, limit_max: int = PAGE_MAX) -> None:
    """Raise Invalid unless ``limit`` is 1 to ``limit_max``, and ``after`` None or an id."""
    if not 1 <= limit <= limit_max:
        raise Invalid(f"limit is 1 to {limit_max}.", param="limit")
    if after is not None and not is_uuid(after):
        raise Invalid("after is the id that the page before ended with.", param="after")
