"""What can be asked about: sources by name, each with its catalogue, its words and its runner."""

from meterr.query.sources.kept import URL, Source
from meterr.query.sources.model import USAGE, OpenSource, SourceOpener, UnknownSource
from meterr.query.sources.opening import Sources
from meterr.query.sources.service import SourceBook
from meterr.query.sources.usage import UsageSources

__all__ = [
    "URL",
    "USAGE",
    "OpenSource",
    "Source",
    "SourceBook",
    "SourceOpener",
    "Sources",
    "UnknownSource",
    "UsageSources",
]
