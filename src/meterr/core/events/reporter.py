"""
What a process has to report that is part of no transaction: counted in memory, written soon.

A flood must cost neither a call nor the database anything: what is the same is one row, first at
once and then once per interval with how often it happened, and what is too much to keep apart is
counted under its kind and tenant alone. The kinds are a closed set, and a tenant is named only
where a key or a person is known, so this is bounded, and nothing is dropped for want of room. What
a killed process had not written is lost: at most the last interval.
"""

import threading
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final

from meterr.core.events.kinds import CATALOGUE, OTHERS, TIMES, Kind
from meterr.core.events.model import Event

KEPT_APART_MAX: Final = 64
"""Of each kind and tenant, so that a flood of one hides none of another."""


@dataclass(slots=True)
class Tally:
    """An event, and how often it happened since it was last written."""

    event: Event
    times: int = 0

    def told(self) -> Event:
        """Return the event as it is written."""
        return replace(self.event, detail={**self.event.detail, TIMES: self.times})


class Reporter:
    """
    Count reports until somebody writes them. May be used from several threads; never waits for I/O.

    One per process; ``ReportWriter`` takes what it counted.
    """

    def __init__(self, kept_apart_max: int = KEPT_APART_MAX) -> None:
        self._kept_apart_max = kept_apart_max
        self._waiting: dict[Hashable, Tally] = {}
        self._written: set[Hashable] = set()  # in this interval
        # What waits or was written in it, of each kind and tenant.
        self._apart: dict[tuple[Kind, str | None], set[Hashable]] = {}
        self._one_at_a_time = threading.Lock()

    def report(self, event: Event, times: int = 1) -> None:
        """Count an event. Raises ValueError for a kind that belongs into a transaction."""
        if not CATALOGUE[event.kind].reported:
            raise ValueError(f"{event.kind} is recorded with its change, not reported")
        with self._one_at_a_time:
            self._count(event, times)

    def take_new(self) -> tuple[Tally, ...]:
        """Return what has not been written in this interval; what follows it waits for the end."""
        with self._one_at_a_time:
            new = {key: each for key, each in self._waiting.items() if key not in self._written}
            for key in new:
                del self._waiting[key]
            self._written.update(new)
        return tuple(new.values())

    def take_all(self) -> tuple[Tally, ...]:
        """Return all that waits, and begin the next interval: what goes on is not new in it."""
        with self._one_at_a_time:
            everything, self._waiting = self._waiting, {}
            self._written, self._apart = set(everything), {}
            for key, each in everything.items():
                self._apart.setdefault(_group_of(each.event), set()).add(key)
        return tuple(everything.values())

    def put_back(self, tallies: tuple[Tally, ...]) -> None:
        """Keep what could not be written; it is new again."""
        with self._one_at_a_time:
            for each in tallies:
                self._count(each.event, each.times)
            self._written = set()

    def _count(self, event: Event, times: int) -> None:
        key = _key_of(event)
        apart = self._apart.setdefault(_group_of(event), set())
        if key not in apart and len(apart) >= self._kept_apart_max:
            event = Event(event.kind, event.tenant_id, detail={OTHERS: True})
            key = _group_of(event)
        else:
            apart.add(key)
        self._waiting.setdefault(key, Tally(event)).times += times


def _group_of(event: Event) -> tuple[Kind, str | None]:
    return (event.kind, event.tenant_id)


def _key_of(event: Event) -> Hashable:
    if OTHERS in event.detail:
        return _group_of(event)
    said = tuple(event.detail.items())
    return (event.kind, event.tenant_id, event.source, event.target, said)


def lost(times: int) -> Event:
    """Return the report that so many reports are gone."""
    return Event(Kind.EVENTS_LOST, None, detail={TIMES: times})
