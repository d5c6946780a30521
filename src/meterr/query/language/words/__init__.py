"""A source in words: what its relations, columns, units, joins and metrics mean to people."""

from meterr.query.language.words.model import (
    ColumnWords,
    Join,
    Kind,
    Metric,
    Reading,
    RelationWords,
    Words,
)
from meterr.query.language.words.reading import read_words, usage_words

__all__ = [
    "ColumnWords",
    "Join",
    "Kind",
    "Metric",
    "Reading",
    "RelationWords",
    "Words",
    "read_words",
    "usage_words",
]
