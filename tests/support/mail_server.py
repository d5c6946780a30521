"""A mail server on a socket: small, real, and as difficult as a test asks."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass
class MailServer:
    """What one server has been sent. ``refuses`` maps a recipient to the answer it gets."""

    port: int = 0
    starttls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    refuses: dict[str, str] = field(default_factory=dict)
    hangs_up_after: int | None = None  # letters
    letters: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    in_clear: bool = False  # whether anything but the greeting and STARTTLS came without TLS

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Conversation(self, reader, writer).hold()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()


@dataclass
class _Conversation:
    server: MailServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    logged_in: bool = False
    recipients: list[str] = field(default_factory=list)

    @property
    def secure(self) -> bool:
        return self.writer.get_extra_info("ssl_object") is not None

    async def hold(self) -> None:
        self.say("220 mail.test")
        while line := (await self.reader.readline()).decode().rstrip("\r\n"):
            verb, _, rest = line.partition(" ")
            if verb.upper() not in ("EHLO", "STARTTLS", "QUIT") and not self.secure:
                self.server.in_clear = True
            if not await self.answer(verb.upper(), rest):
                return
            await self.writer.drain()

    async def answer(self, verb: str, rest: str) -> bool:
        server = self.server
        if verb == "EHLO":
            upgrade = server.starttls is not None and not self.secure
            offers = ["STARTTLS"] * upgrade + ["AUTH PLAIN"] * (server.login is not None)
            lines = ["mail.test", "8BITMIME", *offers]
            for each in lines[:-1]:
                self.say(f"250-{each}")
            self.say(f"250 {lines[-1]}")
        elif verb == "STARTTLS" and server.starttls is not None:
            self.say("220 go ahead")
            await self.writer.drain()
            await self.writer.start_tls(server.starttls)
        elif verb == "AUTH":
            given = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")[1:]
            self.logged_in = tuple(given) == server.login
            self.say("235 yes" if self.logged_in else "535 no")
        elif verb == "RCPT":
            address = rest.partition("<")[2].partition(">")[0]
            refused = server.refuses.get(address)
            if refused is None:
                self.recipients.append(address)
            self.say(refused or "250 ok")
        elif verb == "DATA":
            await self.take()
            return server.hangs_up_after != len(server.letters)
        elif verb == "QUIT":
            self.say("221 bye")
            return False
        else:
            self.say("530 log in" if self.must_log_in(verb) else "250 ok")
        return True

    def must_log_in(self, verb: str) -> bool:
        return verb == "MAIL" and self.server.login is not None and not self.logged_in

    async def take(self) -> None:
        self.say("354 say it")
        content = await self.reader.readuntil(b"\r\n.\r\n")
        mail = message_from_bytes(content[:-5], policy=default)
        assert isinstance(mail, EmailMessage)
        self.server.letters.append((self.recipients, mail))
        self.recipients = []
        if self.server.hangs_up_after != len(self.server.letters):
            self.say("250 taken")

    def say(self, line: str) -> None:
        self.writer.write(f"{line}\r\n".encode())


@asynccontextmanager
async def open_mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
) -> AsyncIterator[MailServer]:
    """Yield a server on a port of its own; ``tls`` from the first byte, ``starttls`` when asked."""
    server = MailServer(starttls=starttls, login=login)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server
