"""How a key is written, in lists and alone."""

from meterr.cli.times import iso
from meterr.identity.model import KeyRecord

COLUMNS = (
    "name",
    "key_id",
    "key",
    "state",
    "scopes",
    "models",
    "expires_at",
    "created_at",
    "owner",
    "output_tokens_default",
    "send_output_default",
    "networks",
    "grace_until",
    "last_used_at",
    "author",
)


def key_item(record: KeyRecord, tenant: str | None) -> dict[str, object]:
    """Return every field of a key that may be shown."""
    return {
        "tenant": tenant,
        "name": record.name,
        "key_id": record.key_id,
        "key": record.shown,
        "state": record.state.value,
        "scopes": sorted(scope.value for scope in record.scopes),
        "models": None if record.models is None else list(record.models),
        "networks": None if record.networks is None else list(record.networks),
        "expires_at": iso(record.expires_at_ms),
        "created_at": iso(record.created_at_ms),
        "revoked_at": iso(record.revoked_at_ms),
        "last_used_at": iso(record.last_used_at_ms),
        "owner": record.owner,
        "owner_user_id": record.owner_user_id,
        "output_tokens_default": record.output_tokens_default,
        "send_output_default": record.send_output_default,
        "successor_id": record.successor_id,
        "grace_until": iso(record.grace_until_ms),
        "due_at": iso(record.due_at_ms),
        "pepper_id": record.pepper_id,
        "created_by": record.created_by,
        "author": record.author,
        "version": record.version,
    }
