"""The address of a database, read once and strictly. Pure: what it may lead to, others judge."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from meterr.core.errors import Invalid
from meterr.core.http.outbound import Address as IpAddress
from meterr.core.http.outbound import Destination
from meterr.core.http.outbound.destination import address_of, checked_host
from meterr.query.protection import scram

_KEYS: Final = frozenset({"host", "port", "dbname", "user", "password", "sslmode", "sslrootcert"})
_VERIFIED: Final = "verify-full"
_MODES: Final = frozenset({"disable", "prefer", "require", "verify-ca", _VERIFIED})
_PORT: Final = 5432
_MADE: Final = re.compile(r"ms_[0-9a-f]{32}")
_CHARS_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where a database is and who logs in there.

    ``sslmode`` is ``verify-full`` unless the address says otherwise or names this machine;
    ``sslrootcert`` is "" for whom the system trusts.
    """

    host: str
    port: int
    database: str
    user: str
    password: SecretStr = field(repr=False)
    sslmode: str
    sslrootcert: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read ``postgresql://user:password@host[:port]/database[?sslmode=...&sslrootcert=...]``.

        Raises Invalid with the fault and never with the text, which holds a password.
        """
        given = _fields(text.strip())
        try:
            host = checked_host(given["host"])
        except ValueError as fault:
            raise _invalid(str(fault).removeprefix("the URL's ")) from None
        own = host == "localhost" or ((ip := address_of(host)) is not None and ip.is_loopback)
        sslmode = given.get("sslmode", "prefer" if own else _VERIFIED)
        if sslmode not in _MODES:
            raise _invalid("sslmode is none of PostgreSQL's")
        return cls(
            host, _port(given.get("port", "")), given["dbname"], given["user"],
            SecretStr(given["password"]), sslmode, given.get("sslrootcert", ""),
        )  # fmt: skip

    @property
    def destination(self) -> Destination:
        """Return what the rule for connections out judges; only verified TLS counts as TLS."""
        return Destination(self.host, self.port, tls=self.sslmode == _VERIFIED)

    @property
    def place(self) -> str:
        """Return host, port and database, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.database}"

    def conninfo(self, at: Sequence[IpAddress], trusted: str) -> str:
        """
        Return it for libpq, to connect ``at`` these addresses and no others. Has the password.

        ``trusted`` is the file of the authorities that the system trusts.
        """
        roots = self.sslrootcert or (trusted if self.sslmode.startswith("verify") else "")
        return make_conninfo(
            "", user=self.user, password=self.password.get_secret_value(), dbname=self.database,
            host=",".join([self.host] * len(at)), hostaddr=",".join(map(str, at)),
            port=str(self.port), sslmode=self.sslmode, gssencmode="disable",
            **({"sslrootcert": roots} if roots else {}), **self._keys(),
        )  # fmt: skip

    def _keys(self) -> Mapping[str, str]:
        """Return what a login of ours needs no rounds with, however many a server asks for."""
        return scram.keys(self.password) if _MADE.fullmatch(self.user) else {}

    def stored(self) -> str:
        """Return what ``parse`` reads again. Has the password."""
        roots = {"sslrootcert": self.sslrootcert} if self.sslrootcert else {}
        return make_conninfo(
            "", user=self.user, password=self.password.get_secret_value(), dbname=self.database,
            host=self.host, port=str(self.port), sslmode=self.sslmode, **roots,
        )  # fmt: skip


def _fields(text: str) -> Mapping[str, str]:
    if len(text) > _CHARS_MAX or not text.isprintable():
        raise _invalid("it is too long or has characters that cannot be printed")
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(text).items() if value}
    except psycopg.ProgrammingError:
        raise _invalid("PostgreSQL's library cannot read it") from None
    unknown = sorted(given.keys() - _KEYS)
    if unknown:
        raise _invalid(f"{unknown[0]} cannot be set; these can: {', '.join(sorted(_KEYS))}")
    missing = [name for name in ("host", "dbname", "user", "password") if name not in given]
    if missing:
        raise _invalid(f"{missing[0]} is missing")
    if given["host"].startswith(("/", "@")) or "," in given["host"]:
        raise _invalid("it has to name one host that is reached over TCP")
    return given


def _port(text: str) -> int:
    if not text:
        return _PORT
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise _invalid("the port must be within 1 to 65535")
    return int(text)


def _invalid(fault: str) -> Invalid:
    return Invalid(
        f"The database's address cannot be used: {fault}. Write "
        "postgresql://user:password@host:5432/database",
        param="url",
    )
