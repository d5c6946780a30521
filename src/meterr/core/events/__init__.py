"""Security events: what happened, recorded with the change that it is about. See README.md."""

from meterr.core.events.kinds import Kind
from meterr.core.events.model import (
    NOBODY,
    OPERATOR,
    SYSTEM,
    Event,
    Recorded,
    Source,
    Target,
    TargetKind,
    acting_source,
)
from meterr.core.events.reading import Follower, list_events
from meterr.core.events.reporter import Reporter
from meterr.core.events.store import record
from meterr.core.events.writer import ReportWriter

__all__ = [
    "NOBODY",
    "OPERATOR",
    "SYSTEM",
    "Event",
    "Follower",
    "Kind",
    "Recorded",
    "ReportWriter",
    "Reporter",
    "Source",
    "Target",
    "TargetKind",
    "acting_source",
    "list_events",
    "record",
]
