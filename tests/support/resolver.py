"""A resolver that answers as a test tells it: rebinding is an answer that changes."""

from collections.abc import Sequence


class Resolver:
    """Gives the next of ``answers`` at each look-up, the last one for ever; remembers who asked."""

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer
