"""Sending notices: one of all processes at a time, each letter at least once."""

import asyncio
import smtplib
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from typing import Final

from meterr.core.db import Connection, Database
from meterr.core.errors import OperatorError, Unavailable
from meterr.identity.notices import store
from meterr.identity.notices.letter import message
from meterr.identity.notices.model import Letter, Sent
from meterr.identity.notices.smtp import Smtp, is_final
from meterr.identity.notices.text import TEXTS

BATCH_LETTERS: Final = 50
ALONE_MAX: Final = 10
"""So many letters about one thing each a person gets in an hour; then one about all the rest."""
LINES_MAX: Final = 20
"""So many notices one letter tells of one by one; it counts the rest."""
_UNREACHED_S: Final = 60
"""How long nothing is tried when there was no way to try anything."""


class NoticeSender:
    """
    Send what is due. ``db`` acts as Role.IDENTITY.

    ``server`` is asked, in a worker thread, when there is something to send; it may block. With
    None nothing is sent, and only what is old is cleared away. ``tell`` gets the name of what went
    wrong, never an address.
    """

    def __init__(
        self,
        db: Database,
        server: Callable[[], Smtp] | None,
        *,
        sender: str,
        origin: str | None,
        tell: Callable[[str], None],
    ) -> None:
        self._db = db
        self._server = server
        self._sender = sender
        self._origin = origin
        self._tell = tell

    async def round(self) -> int:
        """
        Send one batch if it is our turn; return how many letters were sent.

        The turn is a lock of this session: it ends with the process, whatever becomes of that.
        Raises DatabaseUnavailable.
        """
        async with self._db.session() as connection:
            if not await store.take_turn(connection):
                return 0
            try:
                return await self._send_batch(connection)
            finally:
                await store.end_turn(connection)

    async def _send_batch(self, connection: Connection) -> int:
        await store.put_away_late(connection)
        await store.prune(connection)
        if self._server is None:
            return 0
        await store.gather(connection, ALONE_MAX)
        letters = await store.take_letters(connection, BATCH_LETTERS, LINES_MAX)
        if not letters:
            return 0
        tried = await asyncio.to_thread(self._posted, self._server, letters)
        for each in tried:
            if each.done or each.refused:
                await store.put_away(connection, each.letter, sent=each.done)
        # It was no fault of theirs: only what was tried is due later and later.
        found = {(each.letter.user_id, each.letter.event_id) for each in tried}
        rest = [each for each in letters if (each.user_id, each.event_id) not in found]
        await store.give_back(connection, rest, pause_s=0 if tried else _UNREACHED_S)
        return sum(each.done for each in tried)

    def _posted(self, server: Callable[[], Smtp], letters: Sequence[Letter]) -> list[Sent]:
        """Return what became of each letter that was tried, or cannot be written."""
        found: list[Sent] = []
        writable: list[tuple[Letter, EmailMessage]] = []
        for letter in letters:
            mail = self._written(letter)
            if mail is None:
                found.append(Sent(letter, done=False, refused=True))
            else:
                writable.append((letter, mail))
        return found + self._sent(server, writable)

    def _sent(
        self, server: Callable[[], Smtp], writable: Sequence[tuple[Letter, EmailMessage]]
    ) -> list[Sent]:
        found: list[Sent] = []
        try:
            for letter, error in _matched(server(), writable):
                if error is not None:
                    self._tell(type(error).__name__)
                found.append(Sent(letter, error is None, error is not None and is_final(error)))
        except (OSError, smtplib.SMTPException, OperatorError, Unavailable) as error:
            # What was sent before the connection broke stays sent.
            self._tell(type(error).__name__)
        return found

    def _written(self, letter: Letter) -> EmailMessage | None:
        """Return a letter as mail, or None when it is for nobody or cannot be written."""
        lines = [line for line in letter.lines if line.kind in TEXTS]
        if letter.email is None or not lines:
            return None
        try:
            return message(lines, to=letter.email, sender=self._sender, origin=self._origin)
        except ValueError:
            self._tell("ValueError")
            return None


def _matched(
    smtp: Smtp, writable: Sequence[tuple[Letter, EmailMessage]]
) -> Iterator[tuple[Letter, smtplib.SMTPException | None]]:
    answers = smtp.send(mail for _, mail in writable)
    # Answers first: the connection is closed when there are no more of them. There may be fewer.
    yield from ((letter, error) for error, (letter, _) in zip(answers, writable, strict=False))
