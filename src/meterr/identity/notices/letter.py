"""Notices as mail. Pure."""

from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from meterr.core.events.model import rfc3339, text_told
from meterr.identity.notices.model import Line
from meterr.identity.notices.text import TEXTS

ABOUT_CHARS_MAX: Final = 200


def message(lines: Sequence[Line], *, to: str, sender: str, origin: str | None) -> EmailMessage:
    """
    Return notices, newest first, as one mail.

    Headers hold nothing that anybody gave but the two addresses, which cannot hold a line break:
    ValueError for one that does.
    """
    total = sum(_counts(lines).values())
    mail = EmailMessage(policy=SMTP)
    subject = TEXTS[lines[0].kind].subject if total == 1 else f"{total} more notices"
    mail["Subject"] = f"meterr: {subject}"
    mail["From"] = sender
    mail["To"] = to
    if [each.addr_spec for each in mail["To"].addresses] != [to]:
        raise ValueError("the address is not one address")
    mail["Auto-Submitted"] = "auto-generated"
    where = f"meterr at {origin}" if origin else "meterr"
    text = [
        *(_alone(lines[0]) if total == 1 else _gathered(lines, total)),
        "",
        f"This is an automatic message of {where}.",
        "It holds no secret and asks for none.",
    ]
    mail.set_content("\n".join(text) + "\n")
    return mail


def _alone(line: Line) -> Iterator[str]:
    text = TEXTS[line.kind]
    yield from (text.what, "", f"When: {rfc3339(line.at)}")
    if line.about:
        yield f"What: {_about(line)}"
    yield from ("", text.then)


def _gathered(lines: Sequence[Line], total: int) -> Iterator[str]:
    counts = _counts(lines)
    yield "More has happened than you get a letter each for. This is all of the rest:"
    yield ""
    for kind, times in counts.items():
        yield f"{times} x {TEXTS[kind].subject}"
    yield from ("", "One by one, newest first:")
    for line in lines:
        about = f": {_about(line)}" if line.about else ""
        yield f"{rfc3339(line.at)} {TEXTS[line.kind].subject}{about}"
    if total > len(lines):
        yield f"And {total - len(lines)} more; your notices in meterr have them all."
    for then in dict.fromkeys(TEXTS[kind].then for kind in counts):
        yield from ("", then)


def _counts(lines: Sequence[Line]) -> dict[str, int]:
    return {line.kind: line.of_kind for line in lines}


def _about(line: Line) -> str:
    and_more = f" and {line.many - 1} more" if line.many > 1 else ""
    return f"{text_told(line.about, ABOUT_CHARS_MAX)}{and_more}"
