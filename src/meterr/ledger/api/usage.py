"""``/api/v1/tenants/{tenant_id}/usage`` and ``/calls``: sums and entries of the ledger."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from fastapi import Query

from meterr.core.api import After, CallerHere, Limit, Operation, Shown
from meterr.core.api.documents import exact_or_none
from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import Invalid
from meterr.core.policy import Permission, Route
from meterr.ledger.api.period import From, To, Zone, bounds
from meterr.ledger.model import State
from meterr.ledger.reading import entries, usage
from meterr.ledger.report import Dimension, Entry, EntryFilter, UsageRow

_TENANT: Final = "/api/v1/tenants/{tenant_id}"

By = Annotated[
    str,
    Query(
        max_length=200,
        description=f"What to split by, apart by commas: {', '.join(Dimension)}.",
    ),
]
_Model = Annotated[str | None, Query(max_length=256)]
_Key = Annotated[str | None, Query(max_length=36)]


class UsageRowShown(Shown):
    """Sums of one group. ``cost_usd`` is exact and leaves out what ``unpriced`` counts."""

    group: dict[str, str]
    calls: int
    refused: int
    interrupted: int
    failed: int
    unpriced: int
    estimated: int
    partial: int
    cost_usd: str | None
    tokens: dict[str, int]


class UsageShown(Shown):
    """Sums by group, and the sum of all of them."""

    items: list[UsageRowShown]
    total: UsageRowShown


class CallShown(Shown):
    """One ledger entry. No prompt and no answer is stored."""

    id: str
    at: datetime
    key_id: str
    surface: str
    upstream: str
    provider: str
    model: str
    answered_model: str
    price: str | None
    state: str
    stream: bool
    status: int
    outcome: str
    error: str
    estimate: str
    tokens: dict[str, int] | None
    cost_usd: str | None
    drawn_usd: str | None
    request_bytes: int
    answer_bytes: int
    first_byte_ms: int
    duration_ms: int
    provider_request_id: str


class CallList(Shown):
    """One page of calls, newest first."""

    items: list[CallShown]
    after: str | None


class UsageRoutes:
    """What a tenant's calls consumed."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def usage(
        self,
        tenant_id: str,
        caller: CallerHere,
        by: By = "model",
        since: From = None,
        until: To = None,
        tz: Zone = "UTC",
    ) -> UsageShown:
        """Sum calls, tokens and cost, exactly."""
        begin, end = bounds(since, until, self._clock)
        found = await usage(self._db, tenant_id, by=_dimensions(by), since=begin, until=end, tz=tz)
        return UsageShown(items=[_row(each) for each in found.rows], total=_row(found.total))

    async def calls(
        self,
        tenant_id: str,
        caller: CallerHere,
        since: From = None,
        until: To = None,
        tz: Zone = "UTC",
        model: _Model = None,
        key_id: _Key = None,
        state: Literal["settled", "interrupted", "refused"] | None = None,
        failed: bool = False,
        unpriced: bool = False,
        after: After = None,
        limit: Limit = 50,
    ) -> CallList:
        """List calls, page by page. A page costs the same however deep it lies."""
        begin, end = bounds(since, until, self._clock)
        wanted = EntryFilter(
            model=model,
            key=key_id,
            state=None if state is None else State(state),
            failed=failed,
            unpriced=unpriced,
        )
        page = await entries(
            self._db,
            tenant_id,
            since=begin,
            until=end,
            tz=tz,
            wanted=wanted,
            after=after,
            limit=limit,
        )
        return CallList(items=[_call(each) for each in page.entries], after=page.next)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        sums, calls = Permission.TENANT_USAGE_READ, Permission.TENANT_CALL_READ
        yield Operation(Route("GET", f"{_TENANT}/usage"), sums, self.usage, "usage.sum")
        yield Operation(Route("GET", f"{_TENANT}/calls"), calls, self.calls, "calls.list")


def _dimensions(by: str) -> tuple[Dimension, ...]:
    try:
        return tuple(Dimension(part.strip()) for part in by.split(","))
    except ValueError:
        raise Invalid(
            f"by is some of {', '.join(Dimension)}, apart by commas.", param="by"
        ) from None


def _row(row: UsageRow) -> UsageRowShown:
    return UsageRowShown(
        group={dimension.value: value for dimension, value in row.group.items()},
        calls=row.calls,
        refused=row.refused,
        interrupted=row.interrupted,
        failed=row.failed,
        unpriced=row.unpriced,
        estimated=row.estimated,
        partial=row.partial,
        cost_usd=exact_or_none(row.cost_usd),
        tokens=msgspec.structs.asdict(row.usage),
    )


def _call(entry: Entry) -> CallShown:
    return CallShown(
        id=entry.id,
        at=entry.at,
        key_id=entry.key,
        surface=entry.surface,
        upstream=entry.upstream,
        provider=entry.provider,
        model=entry.model,
        answered_model=entry.answered_model,
        price=entry.price,
        state=entry.state.value,
        stream=entry.stream,
        status=entry.status,
        outcome=entry.outcome,
        error=entry.error,
        estimate=entry.estimate,
        tokens=None if entry.usage is None else msgspec.structs.asdict(entry.usage),
        cost_usd=exact_or_none(entry.cost_usd),
        drawn_usd=exact_or_none(entry.drawn_usd),
        request_bytes=entry.request_bytes,
        answer_bytes=entry.answer_bytes,
        first_byte_ms=entry.first_byte_ms,
        duration_ms=entry.duration_ms,
        provider_request_id=entry.provider_request_id,
    )
