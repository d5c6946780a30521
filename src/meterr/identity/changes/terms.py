"""What a changed key may be, by what made it. Pure."""

from dataclasses import replace

from meterr.core.errors import Invalid
from meterr.identity.changes.model import Keep, KeyChange
from meterr.identity.grants import Grants, require_granted
from meterr.identity.model import KeyRecord
from meterr.identity.networks import checked_networks
from meterr.identity.terms import checked_expiry, checked_models, checked_name, checked_scopes


def changed(key: KeyRecord, change: KeyChange, now_ms: int) -> KeyRecord:
    """Return ``key`` with what ``change`` names; Invalid for terms that cannot be meant."""
    if not isinstance(change.name, Keep):
        key = replace(key, name=checked_name(change.name))
    if not isinstance(change.scopes, Keep):
        key = replace(key, scopes=checked_scopes(change.scopes))
    if not isinstance(change.models, Keep):
        key = replace(key, models=checked_models(change.models))
    if not isinstance(change.networks, Keep):
        key = replace(key, networks=checked_networks(change.networks))
    if not isinstance(change.expires_at_ms, Keep):
        key = replace(key, expires_at_ms=checked_expiry(change.expires_at_ms, now_ms))
    return key


def require_within(old: KeyRecord, new: KeyRecord, maker: Grants | None) -> None:
    """
    Refuse with GrantExceeded what the key that made this one may not hand on.

    A key that a person made is held by nobody's grant. One that a key made may become what that key
    may hand on today; when that key has ended (``maker`` None) it only ever becomes less.
    """
    if old.created_by is None:
        return
    require_granted(grants_of(old) if maker is None else maker, grants_of(new))


def grants_of(key: KeyRecord) -> Grants:
    """Return what a key is allowed by its terms."""
    return Grants(key.scopes, key.models, key.networks, key.expires_at_ms)


def checked_version(version: int) -> int:
    """Return the version that somebody saw; Invalid for one that no row has."""
    if not 0 < version < 2**63:
        raise Invalid("version is the one that the key was read with.", param="version")
    return version
