"""What each call consumed, what that cost, and the record of it. See README.md."""

from meterr.ledger.cost import Pricer
from meterr.ledger.following import Follower
from meterr.ledger.journal import Drain, Journal, JournalFull
from meterr.ledger.price_book import PriceBook
from meterr.ledger.price_override import NewOverride
from meterr.ledger.pricing import list_price_overrides, record_upstreams, set_price_override
from meterr.ledger.reading import entries, usage
from meterr.ledger.report import Dimension, EntryFilter
from meterr.ledger.verification import verify_ledger

__all__ = [
    "Dimension",
    "Drain",
    "EntryFilter",
    "Follower",
    "Journal",
    "JournalFull",
    "NewOverride",
    "PriceBook",
    "Pricer",
    "entries",
    "list_price_overrides",
    "record_upstreams",
    "set_price_override",
    "usage",
    "verify_ledger",
]
