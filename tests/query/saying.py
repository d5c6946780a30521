"""What a server answers to whoever talks to it without meterr between them."""

from collections.abc import Iterable

import psycopg


def said_to(dsn: str, session: Iterable[str]) -> list[object]:
    """Return all that is answered: rows, as tuples; what is copied, as bytes; errors; notices."""
    heard: list[object] = []
    with psycopg.connect(dsn, autocommit=True, options="-c statement_timeout=500ms") as connection:
        connection.add_notice_handler(lambda diag: heard.append(diag.message_primary))
        for text in session:
            try:
                if text.startswith("copy"):
                    with connection.cursor().copy(text.encode()) as copy:
                        heard += [bytes(block) for block in copy]
                    continue
                cursor = connection.execute(text.encode(), prepare=True)
                if cursor.description:
                    heard += cursor.fetchall()
            except psycopg.Error as error:
                heard.append(error)
                if connection.closed:
                    break
    return heard


def shortened(text: str) -> str:
    """
    Return an attack with megabytes where it has gigabytes.

    Whose rows it shows is the same, and a server finishes no ``format`` of a gigabyte sooner
    because it is cancelled.
    """
    return text.replace("1000000000", "1000000")


def rows_of(heard: Iterable[object]) -> int:
    """Return how many of them are rows."""
    return sum(isinstance(each, tuple) for each in heard)
