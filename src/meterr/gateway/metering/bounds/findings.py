"""What a closer look at one request found. Things are only ever added to it."""

from meterr.gateway.metering.bounds.tool_shapes import (
    AT_OTHER_PRICES,
    BUILT_IN,
    COUNTED,
    FETCHES,
    NEITHER,
    SEARCHES,
    AnyTool,
)
from meterr.gateway.metering.bounds.uses import Uses, count_of
from meterr.ledger.worst_case import TEXT_CLASSES


class Findings:
    """
    What a request of ``surface`` holds beside text.

    Of the body, ``packed`` bytes are not text; pictures take ``beside`` tokens. The
    provider explains ``defined`` tools one by one, and something at all if ``explained``. With
    ``elsewhere`` it reads what is not in the body, for each of ``inputs`` apart; with ``boundless``
    nothing bounds the bill; ``cause`` is the field that does it. ``calls_together`` bounds all
    calls of built-in tools. An answer may think ``thinking_beside`` tokens beside its bound, and is
    perhaps ``longer`` than that by as much as a window.
    """

    def __init__(self, surface: str) -> None:
        self.surface = surface
        self.cause = ""
        self.packed = self.beside = self.defined = self.thinking = 0
        self.thinking_beside = 0
        self.inputs = 1
        self.boundless = self.elsewhere = self.explained = self.predicted = False
        self.longer = False
        self.calls_together: int | None = None
        self.classes = set(TEXT_CLASSES)
        self.runs, self.searches, self.fetches = Uses(), Uses(), Uses()

    def note_anything(self) -> None:
        """Note something that may read from elsewhere, and bring any tool along."""
        self.elsewhere = self.explained = True
        for uses in (self.runs, self.searches, self.fetches):
            uses.add(None)

    def note_tool(self, tool: AnyTool) -> None:
        """Note a tool that the provider runs, or may run."""
        kind = tool.type or ""
        searches, fetches = SEARCHES.fullmatch(kind), FETCHES.fullmatch(kind)
        if searches:
            self.classes.add("web_search")
        if fetches:
            self.classes.add("web_fetch")
        uses = runs = None
        if self.surface == "anthropic.messages" and (searches or fetches):
            uses = count_of(tool.max_uses)
            runs = uses if kind in COUNTED else None
        elif self.calls_together is not None and BUILT_IN.fullmatch(kind):
            uses = runs = 0  # beyond those that all of them have together
        self.boundless |= kind in AT_OTHER_PRICES
        self.elsewhere = self.explained = True
        self.runs.add(runs)
        if not fetches and not NEITHER.fullmatch(kind):
            self.searches.add(uses)
        if not searches and not NEITHER.fullmatch(kind):
            self.fetches.add(uses)
