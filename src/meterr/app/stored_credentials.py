"""Stored provider credentials in the gateway: they win over configured ones, and are followed."""

from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from meterr.app.repeating import Repeating
from meterr.app.upstreams import MutableEndpoints, with_credential
from meterr.core import events
from meterr.core.crypto import DataKeys, Unreadable
from meterr.core.db import Database
from meterr.core.errors import OperatorError
from meterr.core.settings import UpstreamSettings
from meterr.core.telemetry import Event, EventLine, Level, Telemetry
from meterr.identity import provider_credentials

RELOAD_EVERY_S: Final = 2.0
"""How long a new credential may take to reach every process."""


class CredentialKeeper:
    """
    Put stored credentials into the endpoints, and again when they change.

    ``withheld`` are the upstreams whose credential is not known: all of them until the database was
    read once, later those whose stored credential cannot be opened. Calls there are refused rather
    than made under another credential. ``data_keys`` is None when no key-encryption key is here.
    """

    def __init__(
        self,
        db: Database,
        data_keys: DataKeys | None,
        upstreams: Mapping[str, UpstreamSettings],
        endpoints: MutableEndpoints,
        telemetry: Telemetry,
        reporter: events.Reporter,
    ) -> None:
        self._db = db
        self._reporter = reporter
        self._data_keys = data_keys
        self._upstreams = upstreams
        self._endpoints = endpoints
        self._telemetry = telemetry
        self._versions: dict[str, int] = {}
        self.repeating = Repeating(self.reload, self._failed, every_s=RELOAD_EVERY_S)
        self.withheld = set(upstreams)

    async def reload(self) -> None:
        """Read what is stored once and act on what changed."""
        stored = await provider_credentials.list_credentials(self._db)
        versions = {each.upstream: each.version for each in stored}
        for name in self._upstreams:
            if name in self.withheld or versions.get(name) != self._versions.get(name):
                await self._renew(name, versions.get(name))

    async def _renew(self, name: str, version: int | None) -> None:
        credential: SecretStr | None = self._upstreams[name].credential
        if version is not None:
            try:
                credential = await self._opened(name)
            except (Unreadable, OperatorError) as error:
                if self._versions.get(name) != version:  # told once, not every 2 s
                    self._report(f"credential of {name}", error)
                    self._reporter.report(undecryptable(name, error))
                self._versions[name] = version
                self.withheld.add(name)
                return
        if credential is not None:
            self._telemetry.redact(credential.get_secret_value())
        with_credential(self._endpoints, name, credential)
        self.withheld.discard(name)
        if version is None:
            self._versions.pop(name, None)
            return
        self._versions[name] = version
        self._telemetry.event(Level.INFO, EventLine(event=Event.CREDENTIAL_LOADED, where=name))

    async def _opened(self, name: str) -> SecretStr | None:
        if self._data_keys is None:
            raise Unreadable
        return await provider_credentials.open_credential(self._db, self._data_keys, name)

    def _failed(self, error: Exception) -> None:
        self._report("stored credentials", error)

    def _report(self, where: str, error: Exception) -> None:
        line = EventLine(
            event=Event.CREDENTIAL_UNREADABLE, where=where, error_type=type(error).__name__
        )
        self._telemetry.event(Level.ERROR, line)


def undecryptable(upstream: str, error: Exception) -> events.Event:
    """Return the event that an upstream's stored credential cannot be opened."""
    return events.Event(
        events.Kind.CREDENTIAL_UNDECRYPTABLE,
        None,
        events.SYSTEM,
        events.Target(events.TargetKind.UPSTREAM, upstream),
        {"reason": type(error).__name__},
    )
