"""What passwords and factors do to people inside transactions of their own; nothing else may."""

from meterr.identity.people.store import (
    find_claim,
    find_user,
    join_tenant,
    touch_credentials,
    use_claim,
)

__all__ = ["find_claim", "find_user", "join_tenant", "touch_credentials", "use_claim"]
