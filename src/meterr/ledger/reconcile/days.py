"""The days that are compared, and which of them a stretch of a bill belongs to. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec

from meterr.core.errors import Invalid
from meterr.ledger.period import Bucket, Edge, edges_of, period_of, zone_of


class Days(msgspec.Struct, frozen=True):
    """Whole days of a time zone, each from one edge to the next; ``edges`` ends with the end."""

    edges: tuple[Edge, ...]
    tz: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The days' names, such as ``2026-11-22``."""
        return tuple(edge.label for edge in self.edges[:-1])

    def singly(self) -> "tuple[Days, ...]":
        """Return each day by itself."""
        pairs = zip(self.edges[:-1], self.edges[1:], strict=True)
        return tuple(Days(pair, self.tz) for pair in pairs)

    def stretch(self, label: str) -> tuple[datetime, datetime]:
        """Return when the day of that name begins and ends."""
        at = self.labels.index(label)
        return self.edges[at].at, self.edges[at + 1].at

    def day_of(self, since: datetime, until: datetime) -> str:
        """
        Return the day that holds the whole stretch.

        Raises ValueError, with the reason in words, for a stretch outside the period or over the
        edge of a day.
        """
        if until <= self.edges[0].at or since >= self.edges[-1].at:
            raise ValueError(f"{_iso(since)} is outside {self.told()}")
        for edge, following in zip(self.edges[:-1], self.edges[1:], strict=True):
            if edge.at <= since and until <= following.at:
                return edge.label
        raise ValueError(
            f"{_iso(since)} to {_iso(until)} is not within one day of {self.tz}; days of reports "
            "are those of UTC, and --tz names another zone only for a bill that has its days"
        )

    def told(self) -> str:
        """Return the period in words."""
        return f"--from {self.labels[0]} --to {self.edges[-1].label} ({self.tz})"


def days_of(first: date, end: date, tz: str, now: datetime) -> Days:
    """
    Return the days from ``first`` (included) to ``end`` (excluded).

    Raises ``Invalid`` for an unknown zone, an empty or too long period, and a day that is not over
    yet: neither side's figures of it are whole.
    """
    zone = zone_of(tz)
    period = period_of(first, end, zone)
    if period.until > now:
        today = now.astimezone(zone).date().isoformat()
        raise Invalid(
            f"Days are compared when they are over, and {today} is not in {tz}: "
            f"end with --to {today} or earlier.",
            param="to",
        )
    last = Edge(period.until, end.isoformat())
    return Days((*edges_of(period, Bucket.DAY), last), tz)


def overlap(stretches: Sequence[tuple[datetime, datetime]]) -> tuple[datetime, datetime] | None:
    """Return the first stretch that overlaps an earlier one without being the same, or None."""
    reached = datetime.min.replace(tzinfo=UTC)
    for since, until in sorted(set(stretches)):
        if since < reached:
            return since, until
        reached = until
    return None


def covered(stretches: Sequence[tuple[datetime, datetime]]) -> timedelta:
    """Return how much time the stretches take, each once; they must not overlap."""
    return sum((until - since for since, until in set(stretches)), timedelta(0))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
