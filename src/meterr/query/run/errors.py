"""Why there is no answer: our own words, never the server's, which can hold what rows hold."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from meterr.core.errors import MeterrError
from meterr.query.refusal import Position, Refusal


class QueryRefused(MeterrError):
    """
    The guard let the statement not run.

    ``reason`` is the guard's code (docs/explanation/query-guard.md), ``position`` the place.
    """

    code: ClassVar[str] = "query-refused"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Question refused"

    def __init__(self, refusal: Refusal) -> None:
        members = _told(refusal.code.value, refusal.position)
        super().__init__(refusal.sentence, reason=refusal.code.value, param="sql", members=members)
        self.position: Position | None = refusal.position


class QueryFailed(MeterrError):
    """
    The database ended the statement with an error.

    ``reason`` is a word for the kind of error (docs/explanation/query-walls.md), ``position`` its
    place in the text if the server named one.
    """

    code: ClassVar[str] = "query-failed"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Question failed"

    def __init__(self, reason: str, sentence: str, position: Position | None = None) -> None:
        members = _told(reason, position)
        super().__init__(sentence, reason=reason, param="sql", members=members)
        self.position = position


class QueryTooCostly(MeterrError):
    """The database expects the statement to take more than a question may."""

    code: ClassVar[str] = "query-too-costly"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Question too costly"

    def __init__(self) -> None:
        super().__init__(
            "This question would read too much. Ask for a shorter time, fewer groups, or join on "
            "a condition.",
            param="sql",
        )


class QueryTimeout(MeterrError):
    """The statement took longer than a question may."""

    code: ClassVar[str] = "query-timeout"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Question took too long"

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            f"This question took longer than {timeout_s:g} seconds and was stopped. Ask for a "
            "shorter time or fewer groups.",
            param="sql",
        )


def _told(reason: str, position: Position | None) -> Mapping[str, object]:
    place = {} if position is None else {"position": msgspec.structs.asdict(position)}
    return {"reason": reason, **place}
