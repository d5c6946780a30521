"""The SQL of notices: one statement a function, no decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from psycopg.rows import class_row

from meterr.core.db import Connection
from meterr.core.events import Recorded
from meterr.core.sql import load_sql
from meterr.identity.notices.model import Letter, Line, Notice

_SQL = load_sql("meterr.identity.notices")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line, and whose letter it stands in."""

    user_id: str
    event_id: str | None
    email: str | None
    at: datetime
    kind: str
    about: str
    many: int
    of_kind: int

    def line(self) -> Line:
        return Line(self.at, self.kind, self.about, self.many, self.of_kind)


async def tell_person(connection: Connection, event: Recorded, user_id: str, about: str) -> None:
    """Leave a notice for one person."""
    await connection.execute(
        _SQL["tell_person"],
        {
            "event": event.event_id,
            "at": event.at,
            "kind": event.kind.value,
            "tenant": event.tenant_id,
            "user": user_id,
            "about": about,
        },
    )


async def tell_keepers(
    connection: Connection, event: Recorded, key_ids: Sequence[str], emergency_id: str | None
) -> None:
    """Leave a notice for each person who keeps one of the keys."""
    await connection.execute(
        _SQL["tell_keepers"],
        {
            "event": event.event_id,
            "at": event.at,
            "kind": event.kind.value,
            "tenant": event.tenant_id,
            "keys": list(key_ids),
            "emergency": emergency_id,
        },
    )


async def notices_before(
    connection: Connection, user_id: str, cursor: tuple[datetime, str], rows: int, *, unread: bool
) -> list[Notice]:
    """Return a person's notices before ``cursor``, newest first."""
    async with connection.cursor(row_factory=class_row(Notice)) as found:
        parameters = {"user": user_id, "unread": unread, "rows": rows}
        cursor_at, cursor_id = cursor
        await found.execute(
            _SQL["notices_before"],
            {**parameters, "cursor_at": cursor_at, "cursor_id": cursor_id},
        )
        return await found.fetchall()


async def mark_read(connection: Connection, user_id: str, event_id: str) -> bool:
    """Say that a notice was read; return whether the person has it."""
    parameters = {"user": user_id, "event": event_id}
    return (await connection.execute(_SQL["mark_read"], parameters)).rowcount > 0


async def take_turn(connection: Connection) -> bool:
    """Become the one that sends, for as long as the session lasts or until ``end_turn``."""
    row = await (await connection.execute(_SQL["take_turn"])).fetchone()
    return row is not None and row[0] is True


async def end_turn(connection: Connection) -> None:
    """Let another one send."""
    await connection.execute(_SQL["end_turn"])


async def gather(connection: Connection, alone: int) -> None:
    """Let wait what is more than ``alone`` letters to one person in an hour."""
    await connection.execute(_SQL["gather"], {"alone": alone})


async def take_letters(connection: Connection, letters: int, lines: int) -> list[Letter]:
    """
    Return what is due; it is due again later unless it is put away.

    One about many notices has the newest ``lines``, and one of each kind.
    """
    async with connection.cursor(row_factory=class_row(_Row)) as cursor:
        await cursor.execute(_SQL["take_letters"], {"letters": letters, "lines": lines})
        rows = await cursor.fetchall()
    grouped = groupby(rows, key=lambda row: (row.user_id, row.event_id, row.email))
    return [
        Letter(user_id, event_id, tuple(row.line() for row in of_one), email)
        for (user_id, event_id, email), of_one in grouped
    ]


async def give_back(connection: Connection, letters: Sequence[Letter], *, pause_s: int) -> None:
    """Say that letters were not tried: due after a pause, as if they had not been taken."""
    parameters = {
        "users": [each.user_id for each in letters],
        "events": [each.event_id for each in letters],
        "pause_s": pause_s,
    }
    await connection.execute(_SQL["give_back"], parameters)


async def put_away(connection: Connection, letter: Letter, *, sent: bool) -> None:
    """Say that a letter was sent, or never will be."""
    parameters = {"user": letter.user_id, "event": letter.event_id, "sent": sent}
    await connection.execute(_SQL["put_away"], parameters)


async def put_away_late(connection: Connection) -> None:
    """Give up letters about what happened three days ago."""
    await connection.execute(_SQL["put_away_late"])


async def prune(connection: Connection) -> None:
    """Delete some of the notices that are older than half a year."""
    await connection.execute(_SQL["prune"])
