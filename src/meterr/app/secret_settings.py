"""From the settings to the reader of the secrets that they refer to."""

from collections.abc import Callable, Mapping
from functools import partial

from meterr.core import events
from meterr.core.clock import Clock, SystemClock
from meterr.core.configuration import ConfigurationError
from meterr.core.http.outbound import AllowList
from meterr.core.http.outbound.destination import Destination, Target
from meterr.core.secrets import (
    AwsAccess,
    Backend,
    Freshness,
    OnOutage,
    Outcome,
    Scheme,
    SecretRead,
    SecretReader,
    VaultAccess,
)
from meterr.core.secrets.library import aws_backend, vault_backend
from meterr.core.secrets.local import EnvBackend, FileBackend
from meterr.core.secrets.setting import SecretSetting, bind, secrets_of
from meterr.core.settings import Settings
from meterr.core.telemetry import Event, EventLine, Level, Telemetry

_NEAR = frozenset({"localhost", "127.0.0.1", "::1"})
_FINE = frozenset({Outcome.READ, Outcome.CACHED})


def with_reader(
    settings: Settings, environ: Mapping[str, str], reporter: events.Reporter | None = None
) -> Settings:
    """
    Return settings whose references can be read, with every read as a line in the log.

    A ``reporter``, where somebody writes what it counts, hears of each that asked their place.
    Nothing is read or loaded yet, and nothing at all when there is no reference.
    """
    if not any(isinstance(s, SecretSetting) and s.reference for s in secrets_of(settings)):
        return settings
    clock = SystemClock()
    record = partial(_record, Telemetry(clock, level=Level(settings.log.level)), reporter)
    read = reader(settings, environ, clock, record).read
    return bind(settings, lambda reference, who: read(reference, who).text)


def reader(
    settings: Settings,
    environ: Mapping[str, str],
    clock: Clock,
    record: Callable[[SecretRead], None],
) -> SecretReader:
    """Return a reader for every kind of reference that there is."""
    wanted = settings.secrets
    freshness = Freshness(wanted.cache_ttl_s, wanted.stale_s_max, OnOutage(wanted.on_outage))
    return SecretReader(
        {
            Scheme.ENV: lambda: EnvBackend(environ),
            Scheme.FILE: FileBackend,
            Scheme.VAULT: lambda: _vault(settings, environ, clock, record),
            Scheme.AWS: lambda: _aws(settings),
        },
        freshness=freshness,
        monotonic=clock.monotonic,
        record=record,
    )


def _aws(settings: Settings) -> Backend:
    wanted, allow = settings.secrets, AllowList.parse(settings.outbound.allow)
    endpoint = wanted.aws_endpoint_url
    if endpoint is not None:
        endpoint = _safe("aws_endpoint_url", endpoint, allow)

    def permits(address: str) -> bool:
        try:
            return _carries_secrets(Target.parse(address).destination, allow)
        except ValueError:
            return False

    return aws_backend(AwsAccess(wanted.aws_region, endpoint, wanted.timeout_s, permits))


def _vault(
    settings: Settings,
    environ: Mapping[str, str],
    clock: Clock,
    record: Callable[[SecretRead], None],
) -> Backend:
    wanted = settings.secrets
    # Its own reader, without a memory: an agent renews a token when it likes.
    here = SecretReader(
        {Scheme.ENV: lambda: EnvBackend(environ), Scheme.FILE: FileBackend},
        freshness=Freshness(ttl_s=0),
        monotonic=clock.monotonic,
        record=record,
    )

    def key(name: str, setting: SecretSetting | None) -> Callable[[], str]:
        if setting is None:
            return str
        reference = setting.reference
        return (
            setting.get_secret_value
            if reference is None
            else lambda: here.read(reference, f"secrets.{name}").text
        )

    if wanted.vault_address is None:
        raise ConfigurationError("secrets.vault_address: set it, or VAULT_ADDR")
    address = _safe("vault_address", wanted.vault_address, AllowList.parse(settings.outbound.allow))
    if not wanted.vault_token and not wanted.vault_role_id:
        raise ConfigurationError("secrets.vault_token: set it, or VAULT_TOKEN, or vault_role_id")
    return vault_backend(
        VaultAccess(
            address=address,
            token=key("vault_token", wanted.vault_token),
            role_id=wanted.vault_role_id or "",
            secret_id=key("vault_secret_id", wanted.vault_secret_id),
            namespace=wanted.vault_namespace,
            ca_file=wanted.vault_ca_file,
            timeout_s=wanted.timeout_s,
        )
    )


def _safe(name: str, address: str, allow: AllowList) -> str:
    """Refuse what would carry a token or a secret in clear text to who knows whom."""
    try:
        to = Target.parse(address).destination
    except ValueError as fault:
        raise ConfigurationError(f"secrets.{name}: {fault}") from None
    if not _carries_secrets(to, allow):
        raise ConfigurationError(
            f"secrets.{name}: use https, or list {to.host}:{to.port} in outbound.allow"
        )
    return address


def _carries_secrets(to: Destination, allow: AllowList) -> bool:
    return to.tls or to.host in _NEAR or allow.has(to.host, to.port)


def _record(telemetry: Telemetry, reporter: events.Reporter | None, read: SecretRead) -> None:
    level = Level.INFO if read.outcome in _FINE else Level.WARNING
    line = EventLine(
        event=Event.SECRET_READ,
        where=read.who,
        outcome=read.outcome,
        reference=read.reference,
        version=read.version,
    )
    telemetry.event(level, line)
    if reporter is not None and read.outcome is not Outcome.CACHED:
        reporter.report(_event_of(read))


def _event_of(read: SecretRead) -> events.Event:
    secret = events.Target(events.TargetKind.SECRET, read.reference)
    kind, detail = events.Kind.SECRET_READ, {"who": read.who}
    if read.outcome is not Outcome.READ:
        kind = events.Kind.SECRET_UNAVAILABLE
        detail = {**detail, "reason": read.outcome.value}
    return events.Event(kind, None, events.SYSTEM, secret, detail)
