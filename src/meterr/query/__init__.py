"""Questions over a tenant's tables: what may be asked, and what it means."""

from meterr.query.catalogue import Catalogue, Column, Relation
from meterr.query.guard import GuardedQuery, guard
from meterr.query.parser import GRAMMAR_MAJOR
from meterr.query.refusal import Code, Position, Refusal

__all__ = [
    "GRAMMAR_MAJOR",
    "Catalogue",
    "Code",
    "Column",
    "GuardedQuery",
    "Position",
    "Refusal",
    "Relation",
    "guard",
]
