"""What a model got wrong, as a code and a sentence it may be told. Never holds a row's value."""

from typing import NoReturn

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing to repair. ``code`` is stable; ``sentence`` has names of the catalogue at most."""

    code: str
    sentence: str


class Slip(Exception):
    """Carries a problem out of the rules."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


def slip(what: str, sentence: str) -> NoReturn:
    """End here: the part ``what`` of an intent is not right."""
    raise Slip(Problem(f"intent-{what}", sentence))
