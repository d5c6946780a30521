"""From whoever a request is let in as, to whoever asks."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from meterr.core.api import Caller
from meterr.core.clock import Clock
from meterr.core.policy import Permission, allowed
from meterr.query.answers import Asker
from meterr.query.language.verified.model import SOURCE_CHARS_MAX

Source = Annotated[str, Field(min_length=1, max_length=SOURCE_CHARS_MAX)]
"""The name of a source, in a body."""

SourceQuery = Annotated[
    str, Query(alias="source", min_length=1, max_length=SOURCE_CHARS_MAX, description="The source.")
]
"""The name of a source, in a query string."""


def asker_of(caller: Caller, clock: Clock) -> Asker:
    """
    Return the caller as one who asks.

    A key with the scope sees all that there is: an administrator gave it. A person sees calls one
    by one if they may list them.
    """
    if caller.principal is not None:
        key = caller.principal
        return Asker(caller.tenant_id, f"key {key.key_id}", sees_calls=True, principal=key)
    verdict = allowed(
        caller.who,
        Permission.TENANT_CALL_READ,
        caller.tenant_id,
        now_ms=clock.unix_ms(),
        reason=caller.reason,
    )
    return Asker(caller.tenant_id, caller.author, sees_calls=verdict.allowed)
