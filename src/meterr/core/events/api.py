"""``/api/v1/tenants/{tenant_id}/events``: what happened in a tenant, for its administrators."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Query

from meterr.core.api import After, CallerHere, Instant, Limit, Operation, Shown
from meterr.core.clock import Clock, as_datetime
from meterr.core.db import Database
from meterr.core.events.model import EventRow
from meterr.core.events.reading import END_OF_TIME, list_events
from meterr.core.policy import Permission, Route

_PATH: Final = "/api/v1/tenants/{tenant_id}/events"
_BACK: Final = timedelta(days=30)

Kinds = Annotated[
    str | None,
    Query(
        alias="kind",
        max_length=500,
        description="Only these kinds (`key.revoked`) or subjects (`key`), apart by commas.",
    ),
]
From = Annotated[
    Instant | None, Query(alias="from", description="Begin, inclusive. Default: 30 days back.")
]
To = Annotated[Instant | None, Query(alias="to", description="End, exclusive.")]


class Party(Shown):
    """Somebody or something, by kind and opaque id; the id is empty where there is none."""

    kind: str
    id: str


class EventShown(Shown):
    """What happened, to what, by whom, and from which network."""

    event_id: str
    at: datetime
    kind: str
    severity: str
    outcome: str
    actor: Party
    target: Party
    network: str
    detail: dict[str, str | int | bool | None]


class EventList(Shown):
    """One page of events, newest first."""

    items: list[EventShown]
    after: str | None


class EventRoutes:
    """Security events of a tenant."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def list(
        self,
        tenant_id: str,
        caller: CallerHere,
        kinds: Kinds = None,
        since: From = None,
        until: To = None,
        after: After = None,
        limit: Limit = 50,
    ) -> EventList:
        """List what happened in a tenant, newest first."""
        page = await list_events(
            self._db,
            tenant_id,
            since=since or as_datetime(self._clock.unix_ms()) - _BACK,
            until=until or END_OF_TIME,
            kinds=() if kinds is None else kinds.split(","),
            after=after,
            limit=limit,
        )
        return EventList(items=[_shown(each) for each in page.events], after=page.after)

    def operations(self) -> Iterator[Operation]:
        """Yield the route."""
        read = Permission.TENANT_EVENT_READ
        yield Operation(Route("GET", _PATH), read, self.list, "events.list")


def _shown(row: EventRow) -> EventShown:
    return EventShown(
        event_id=row.event_id,
        at=row.at,
        kind=row.kind,
        severity=row.severity,
        outcome=row.outcome,
        actor=Party(kind=row.actor_kind, id=row.actor_id),
        target=Party(kind=row.target_kind, id=row.target_id),
        network=row.network,
        detail=dict(row.detail),
    )
