"""What flows between processes: one side is read while the other is written, or both would wait."""

import subprocess
import threading
from collections.abc import Callable
from typing import IO, Generic, NamedTuple, TypeVar

_Result = TypeVar("_Result")


class Pipes(NamedTuple):
    """The three ends of a process that we hold."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]


def pipes_of(process: "subprocess.Popen[bytes]") -> Pipes:
    """Return the pipes of a process that was started with all three."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise ValueError("the process was started without pipes")
    return Pipes(process.stdin, process.stdout, process.stderr)


class Aside(Generic[_Result]):
    """Work done in a thread of its own meanwhile; ``result`` waits for it and raises its error."""

    def __init__(self, work: Callable[[], _Result]) -> None:
        self._work = work
        self._results: list[_Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> _Result:
        """Return what the work returned, or raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        # Raised again by result(), in the thread that asks for it, whatever it is.
        except BaseException as error:  # noqa: BLE001
            self._error = error


class Unread:
    """A writer to a process that may have seen enough: what it does not take is dropped."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self.closed_early = False

    def write(self, data: bytes) -> int:
        """Take everything, so that whoever writes here gets to the end of what it reads."""
        if not self.closed_early:
            try:
                self._pipe.write(data)
            except BrokenPipeError:
                self.closed_early = True
        return len(data)

    def flush(self) -> None:
        """Pass on what is buffered."""
        if not self.closed_early:
            try:
                self._pipe.flush()
            except BrokenPipeError:
                self.closed_early = True

    def close(self) -> None:
        """Tell the process that there is no more."""
        try:
            self._pipe.close()
        except BrokenPipeError:
            self.closed_early = True
