"""A mail server, as the standard library speaks to it. Blocks: call it in a worker thread."""

import smtplib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from meterr.core.errors import OperatorError
from meterr.core.http.tls import verifying_context

TIMEOUT_S: Final = 30.0
HUNG_UP_MAX: Final = 3
"""So often in a row a server may hang up (421, say) before we leave it alone for now."""

_PORTS: Final = {"smtps": 465, "smtp": 587}


class MailRefused(OperatorError):
    """``notify.smtp_url`` is no address of a mail server."""


@dataclass(frozen=True, slots=True)
class Smtp:
    """
    Where mail goes, and how we log in.

    ``smtps`` is TLS from the first byte; without it, STARTTLS before anything is said, except to
    this very machine. The certificate is verified, against ``ca_file`` if there is one.
    """

    host: str
    port: int
    implicit_tls: bool
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout_s: float = TIMEOUT_S

    @classmethod
    def parse(cls, url: str, ca_file: Path | None = None) -> Self:
        """Read ``smtps://user:password@host:port``; MailRefused, without the text, otherwise."""
        try:
            found = urlsplit(url)
            port = found.port
        except ValueError:
            raise MailRefused(_FORM) from None
        extra = found.path.strip("/") or found.query or found.fragment
        if found.scheme not in _PORTS or not found.hostname or extra:
            raise MailRefused(_FORM)
        return cls(
            host=found.hostname,
            port=port or _PORTS[found.scheme],
            implicit_tls=found.scheme == "smtps",
            user=unquote(found.username or ""),
            password=unquote(found.password or ""),
            ca_file=ca_file,
        )

    def send(self, mails: Iterable[EmailMessage]) -> Iterator[smtplib.SMTPException | None]:
        """
        Send one by one; yield None, or what the server said, for each that was tried.

        One letter at which the server hangs up keeps no other from being sent: the next goes over a
        new connection. After three such letters in a row the rest is not tried.
        Raises OSError, smtplib.SMTPException when there is no connection.
        """
        waiting, hung_up = deque(mails), 0
        while waiting and hung_up < HUNG_UP_MAX:
            with self._connected() as server:
                while waiting and _is_open(server):
                    yield _said(server, waiting.popleft())
                    hung_up = 0 if _is_open(server) else hung_up + 1

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        context = verifying_context(self.ca_file)
        if self.implicit_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_s, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        with server:
            if not self.implicit_tls and not self._is_here(server):
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
            yield server

    def _is_here(self, server: smtplib.SMTP) -> bool:
        """Return whether the server runs on this machine and offers no TLS."""
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls") or server.sock is None:
            return False
        return ip_address(server.sock.getpeername()[0].partition("%")[0]).is_loopback


def _is_open(server: smtplib.SMTP) -> bool:
    return server.sock is not None


def _said(server: smtplib.SMTP, mail: EmailMessage) -> smtplib.SMTPException | None:
    try:
        server.send_message(mail)
    except smtplib.SMTPException as error:
        return error
    return None


def is_final(error: smtplib.SMTPException) -> bool:
    """Return whether the server will never take this letter."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return True  # an address that only other servers can write
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500


_FORM: Final = "notify.smtp_url: write smtps://user:password@host or smtp://user:password@host"
