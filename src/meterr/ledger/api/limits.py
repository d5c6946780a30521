"""``/api/v1/tenants/{tenant_id}/limits``: budgets and rates of a tenant."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from meterr.core.api import After, Asked, CallerHere, Limit, Operation, Shown
from meterr.core.api.documents import exact
from meterr.core.api.paging import paged
from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.limits import Holder, Measure, Span
from meterr.core.policy import Permission, Route
from meterr.ledger.api.period import From, To, Zone, period
from meterr.ledger.limits.model import LimitEvent, LimitRecord, NewLimit
from meterr.ledger.limits.service import end_limit, limit_events, list_limits, set_limit

_PATH: Final = "/api/v1/tenants/{tenant_id}/limits"


class LimitAsked(Asked):
    """A rule. ``amount`` is US dollars or a whole number, as text: never a float."""

    measure: Literal["usd", "requests", "tokens", "concurrency"]
    holder: Literal["tenant", "owner", "key"]
    span: Literal["call", "minute", "day", "week", "month", "total"]
    amount: str = Field(max_length=40)
    subject: str = Field("", max_length=200)
    model: str = Field("", max_length=256)
    hard: bool = True


class LimitShown(Shown):
    """A rule with its present window; amounts are exact decimals as text."""

    limit_id: str
    measure: str
    holder: str
    subject: str
    model: str
    span: str
    amount: str
    hard: bool
    taken: str
    spent: str
    created_at: datetime
    ended_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None


class LimitList(Shown):
    """One page of rules, oldest first."""

    items: list[LimitShown]
    after: str | None


class EventShown(Shown):
    """A budget's window has reached a mark: told once each."""

    limit_id: str
    measure: str
    holder: str
    subject: str
    model: str
    span: str
    hard: bool
    percent: int
    spent: str
    amount: str
    at: datetime
    starts_at: datetime


class EventList(Shown):
    """One page of events, newest first."""

    items: list[EventShown]
    after: str | None


class LimitRoutes:
    """Budgets and rates of a tenant."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def list(
        self,
        tenant_id: str,
        caller: CallerHere,
        ended: bool = False,
        after: After = None,
        limit: Limit = 50,
    ) -> LimitList:
        """List a tenant's rules, each with what its present window has taken and spent."""
        found = await list_limits(self._db, self._clock, tenant_id, ended=ended)
        page, last = paged(found, after, limit, lambda rule: rule.limit_id)
        return LimitList(items=[_shown(each) for each in page], after=last)

    async def set(self, tenant_id: str, asked: LimitAsked, caller: CallerHere) -> LimitShown:
        """Set a rule; one in force for the same measure, holder, model and span is changed."""
        wanted = NewLimit(
            measure=Measure(asked.measure),
            holder=Holder(asked.holder),
            span=Span(asked.span),
            amount=asked.amount,
            subject=asked.subject,
            model=asked.model,
            hard=asked.hard,
        )
        return _shown(await set_limit(self._db, self._clock, tenant_id, wanted))

    async def end(self, tenant_id: str, limit_id: str, caller: CallerHere) -> None:
        """End a rule."""
        await end_limit(self._db, tenant_id, limit_id)

    async def events(
        self,
        tenant_id: str,
        caller: CallerHere,
        since: From = None,
        until: To = None,
        tz: Zone = "UTC",
        after: After = None,
        limit: Limit = 50,
    ) -> EventList:
        """List budgets that reached 50, 80, 95 or 100 %."""
        within = period(since, until, tz, self._clock)
        found = await limit_events(self._db, tenant_id, within)
        page, last = paged(found, after, limit, _event_key)
        return EventList(items=[_event(each) for each in page], after=last)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        read, change = Permission.TENANT_LIMIT_READ, Permission.TENANT_LIMIT_CHANGE
        events = "/api/v1/tenants/{tenant_id}/limit-events"
        yield Operation(Route("GET", _PATH), read, self.list, "limits.list")
        yield Operation(Route("POST", _PATH), change, self.set, "limits.set")
        yield Operation(
            Route("DELETE", f"{_PATH}/{{limit_id}}"), change, self.end, "limits.end", status=204
        )
        yield Operation(Route("GET", events), read, self.events, "limits.events")


def _event_key(event: LimitEvent) -> str:
    window = int(event.starts_at.timestamp())
    return f"{event.limit_id}.{window}.{event.percent}"


def _shown(rule: LimitRecord) -> LimitShown:
    return LimitShown(
        limit_id=rule.limit_id,
        measure=rule.measure.value,
        holder=rule.holder.value,
        subject=rule.subject,
        model=rule.model,
        span=rule.span.value,
        amount=exact(rule.amount),
        hard=rule.hard,
        taken=exact(rule.taken),
        spent=exact(rule.spent),
        created_at=rule.created_at,
        ended_at=rule.ended_at,
        starts_at=rule.starts_at,
        ends_at=rule.ends_at,
    )


def _event(event: LimitEvent) -> EventShown:
    return EventShown(
        limit_id=event.limit_id,
        measure=event.measure.value,
        holder=event.holder.value,
        subject=event.subject,
        model=event.model,
        span=event.span.value,
        hard=event.hard,
        percent=event.percent,
        spent=exact(event.spent),
        amount=exact(event.amount),
        at=event.at,
        starts_at=event.starts_at,
    )
