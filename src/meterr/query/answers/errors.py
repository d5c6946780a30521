"""Why a question has no answer, where that is not the statement's fault."""

from typing import ClassVar, Final

from meterr.core.errors import MeterrError, NotConfigured
from meterr.query.language import Declined

_SIMULATED: Final = (
    "meterr's simulator read this by rule, no model did; docs/reference/simulator.md lists the "
    "questions that it knows. Ask one of those, or in SQL, or set query.model to a real model."
)


class QuestionDeclined(MeterrError):
    """
    The question was understood as far as possible, and there is no answer to it.

    ``reason`` is a code (docs/explanation/questions.md). After corrections that did not help,
    ``cause`` is the code of what was wrong at last, and ``sql`` the last attempt, if it was any.
    """

    code: ClassVar[str] = "question-declined"
    status: ClassVar[int] = 422
    title: ClassVar[str] = "No answer to this question"

    def __init__(self, declined: Declined) -> None:
        told = {"reason": declined.code, "cause": declined.reason, "sql": declined.sql}
        super().__init__(
            f"{declined.sentence} {_SIMULATED}" if declined.simulated else declined.sentence,
            reason=declined.code,
            param="question",
            members={name: value for name, value in told.items() if value},
        )
        self.sql = declined.sql


class QuestionModelRefused(MeterrError):
    """The key is held to models, and the one that turns questions into SQL is none of them."""

    code: ClassVar[str] = "question-model-refused"
    status: ClassVar[int] = 403
    title: ClassVar[str] = "Model not permitted"

    def __init__(self) -> None:
        super().__init__(
            "This key may not use the model that turns questions into SQL. Ask in SQL, or with a "
            "key that may.",
            param="question",
        )


class NoModel(NotConfigured):
    """No model was chosen for questions in plain language."""

    def __init__(self) -> None:
        super().__init__("A question in plain language", "query.model", ", or ask in SQL")
