"""Frozen types of reading the ledger: what is asked, and what comes back."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from meterr.core.errors import Invalid
from meterr.ledger.model import State, Usage

_KEY_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Dimension(StrEnum):
    """What a sum of usage can be split by. ``day`` and ``hour`` exclude each other."""

    DAY = "day"
    HOUR = "hour"
    KEY = "key"
    MODEL = "model"
    ANSWERED_MODEL = "answered_model"
    PROVIDER = "provider"
    UPSTREAM = "upstream"
    SURFACE = "surface"
    STATE = "state"
    OUTCOME = "outcome"


class UsageRow(msgspec.Struct, frozen=True):
    """
    Sums over the entries of one group.

    ``cost_usd`` is the exact, unrounded sum over the entries whose cost is known, None when there
    is none; ``unpriced`` says how many calls it leaves out. A call that used nothing, or failed at
    the provider without any report of usage, had nothing to price and is not ``unpriced``.
    """

    group: Mapping[Dimension, str]
    calls: int
    refused: int  # never left for a provider
    interrupted: int  # our process died under them
    failed: int  # answered with a status of 400 or above
    unpriced: int
    estimated: int  # their usage is not what the provider reported
    partial: int  # the provider billed more than their usage can say: their cost is a lower bound
    cost_usd: Decimal | None
    usage: Usage


class UsageReport(msgspec.Struct, frozen=True):
    """Rows in the order of the dimensions asked for, and the sum of all of them."""

    rows: tuple[UsageRow, ...]
    total: UsageRow


class Entry(msgspec.Struct, frozen=True):
    """One ledger entry as stored."""

    id: str
    at: datetime
    key: str
    surface: str
    upstream: str
    provider: str
    model: str
    answered_model: str
    price: str | None
    state: State
    stream: bool
    status: int
    outcome: str
    error: str
    estimate: str
    usage: Usage | None
    cost_usd: Decimal | None
    drawn_usd: Decimal | None  # from each budget it was held to, where that is not its cost
    request_bytes: int
    answer_bytes: int
    first_byte_ms: int
    duration_ms: int
    provider_request_id: str


class UpstreamMeaning(msgspec.Struct, frozen=True):
    """What the name of an upstream in the ledger stands for. Holds no credential."""

    name: str
    provider: str
    openai_base_url: str | None
    anthropic_base_url: str | None


class EntryFilter(msgspec.Struct, frozen=True):
    """Which entries are wanted; None asks for any."""

    model: str | None = None
    key: str | None = None
    state: State | None = None
    failed: bool = False  # only those answered with a status of 400 or above
    unpriced: bool = False  # only those that consumed something and have no cost


def checked_filter(wanted: EntryFilter) -> EntryFilter:
    """Return ``wanted``; raises ``Invalid`` for a key that is no id or a model no text can hold."""
    if wanted.key is not None and not _KEY_ID.fullmatch(wanted.key):
        raise Invalid("key must be a key's id, as `meterr key list` shows it.", param="key")
    if wanted.model is not None and not wanted.model.isprintable():
        raise Invalid("model must be printable text.", param="model")
    return wanted


class EntryPage(msgspec.Struct, frozen=True):
    """Entries in order, and the cursor of the next page; None when this was the last."""

    entries: tuple[Entry, ...]
    next: str | None
