"""One composed exchange, ready to be written by a surface."""

from dataclasses import dataclass

from meterr.simulator import tokens
from meterr.simulator.model import Answer, Json, Prompt
from meterr.simulator.reading import Body
from meterr.simulator.steering import Steering, UsagePlace, usage_of

CHUNKS = 8
"""Into how many pieces a stream cuts each text unless ``chunks`` says otherwise."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a surface needs to write an answer in its own words."""

    body: Body
    prompt: Prompt
    steering: Steering
    answer: Answer

    def pieces(self, text: str) -> list[str]:
        """Cut ``text`` as steered."""
        return tokens.split(text, self.steering.chunks or CHUNKS)

    def usage(self, computed: dict[str, Json]) -> Json:
        """Return the usage to report, None for none at all."""
        if self.steering.usage_place is UsagePlace.NONE:
            return None
        return usage_of(self.steering, computed)
