"""How long an answer may take and how large it may be, beside libraries that bound neither."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

ANSWER_BYTES_MAX: Final = 1024 * 1024
"""Vault's storage takes a document of 1 MiB at most by default, AWS a secret of 64 KiB."""

UNFINISHED_MAX: Final = 4
"""Reads of one backend that may be given up and still hang; each holds a thread and a socket."""

TOO_LARGE: Final = f"the answer has more than {ANSWER_BYTES_MAX} bytes and is no secret"

_Answer = TypeVar("_Answer")


class AnswerTooLarge(Exception):
    """A place of secrets said more than ``ANSWER_BYTES_MAX`` bytes."""


class Patience:
    """
    Waits for what blocks, and for no longer than it was told to.

    The libraries' own timeouts are for each read of a socket, so a peer that sends a byte now and
    then would hold the caller for as long as it likes; names and credentials are looked up beside
    them. What takes too long is left behind in its thread, and ends when its peer does.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._room = threading.BoundedSemaphore(UNFINISHED_MAX)

    def wait_for(self, work: Callable[[], _Answer]) -> _Answer:
        """
        Return what ``work`` returns, or raise what it raises; it runs in a thread of its own.

        Raises TimeoutError after the timeout, and at once while too many others still hang.
        """
        if not self._room.acquire(blocking=False):
            raise TimeoutError
        done: Future[_Answer] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            # The caller raises it again; without its frames, which hold sockets and secrets.
            except BaseException as error:  # noqa: BLE001
                error.__cause__ = error.__context__ = None  # they would bring frames along
                done.set_exception(error.with_traceback(None))
            finally:
                self._room.release()

        try:
            # A daemon: nobody waits for it at the end of the process either.
            threading.Thread(target=run, name="secrets", daemon=True).start()
        except RuntimeError:  # this process has no room for another thread
            self._room.release()
            raise TimeoutError from None
        return done.result(self._timeout_s)


def whole(answer: Any, *, decode: bool) -> bytes:
    """
    Return the body of urllib3's ``answer``, decompressed if ``decode``.

    Raises AnswerTooLarge, and then the connection is closed, not read to its end.
    """
    content: bytes = answer.read(ANSWER_BYTES_MAX + 1, decode_content=decode)
    if len(content) > ANSWER_BYTES_MAX:
        answer.close()
        raise AnswerTooLarge
    return content
