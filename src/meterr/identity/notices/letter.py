"""A notice as mail. Pure."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from meterr.core.events.model import rfc3339, text_told
from meterr.identity.notices.text import TEXTS

ABOUT_CHARS_MAX: Final = 200


def message(
    kind: str, *, to: str, sender: str, at: datetime, about: str, many: int, origin: str | None
) -> EmailMessage:
    """
    Return a notice as mail.

    Headers hold nothing that anybody gave but the two addresses, which cannot hold a line break:
    ValueError for one that does.
    """
    text = TEXTS[kind]
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"meterr: {text.subject}"
    mail["From"] = sender
    mail["To"] = to
    if [each.addr_spec for each in mail["To"].addresses] != [to]:
        raise ValueError("the address is not one address")
    mail["Auto-Submitted"] = "auto-generated"
    lines = [text.what, "", f"When: {rfc3339(at)}"]
    if about:
        lines.append(f"What: {text_told(about, ABOUT_CHARS_MAX)}{_and_more(many)}")
    where = f"meterr at {origin}" if origin else "meterr"
    lines += ["", text.then, "", f"This is an automatic message of {where}."]
    lines.append("It holds no secret and asks for none.")
    mail.set_content("\n".join(lines) + "\n")
    return mail


def _and_more(many: int) -> str:
    return f" and {many - 1} more" if many > 1 else ""
