"""What one key may hand on to another: never more than it has itself. Pure; denies by default."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from meterr.core.errors import MeterrError
from meterr.core.principal import Scope
from meterr.identity.authorisation import matches
from meterr.identity.networks import covers


class GrantExceeded(MeterrError):
    """The new key would be allowed more than the key that makes it."""

    code, status, title = "grant-exceeded", 403, "More than may be granted"


@dataclass(frozen=True, slots=True)
class Grants:
    """What a key is allowed; None is everything, as in a key's own terms."""

    scopes: frozenset[Scope]
    models: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    expires_at_ms: int | None = None


def require_scopes(creator_scopes: Collection[Scope], wanted: Collection[Scope]) -> None:
    """Refuse with GrantExceeded, naming them, the scopes of ``wanted`` that the creator lacks."""
    beyond = sorted(scope.value for scope in set(wanted) - set(creator_scopes))
    if beyond:
        raise GrantExceeded(
            f"The scopes {', '.join(beyond)} are not the creating key's own; leave them out.",
            param="scopes",
        )


def require_granted(creator: Grants, wanted: Grants) -> None:
    """Refuse with GrantExceeded whatever ``wanted`` has beyond ``creator``; ``param`` names it."""
    require_scopes(creator.scopes, wanted.scopes)
    _require(_models_within(creator.models, wanted.models), "models")
    _require(_networks_within(creator.networks, wanted.networks), "networks")
    ends, end = creator.expires_at_ms, wanted.expires_at_ms
    _require(ends is None or (end is not None and end <= ends), "expires_at")


def _require(within: bool, param: str) -> None:
    if not within:
        raise GrantExceeded(
            f"{param} reaches beyond what the creating key has itself; narrow it.", param=param
        )


def _models_within(outer: Sequence[str] | None, inner: Sequence[str] | None) -> bool:
    if outer is None:
        return True
    return inner is not None and all(any(_holds(o, i) for o in outer) for i in inner)


def _holds(outer: str, inner: str) -> bool:
    # A pattern is read as a name here, which "*" may take whole; "?" would take a "*" for a letter.
    return outer == inner or ("?" not in outer and matches(outer, inner))


def _networks_within(outer: Sequence[str] | None, inner: Sequence[str] | None) -> bool:
    if outer is None:
        return True
    return inner is not None and all(covers(outer, each) for each in inner)
