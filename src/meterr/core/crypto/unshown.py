"""What holds key material: no repr shows it, no pickle and no copy carries it away."""

from typing import NoReturn, SupportsIndex


class Unshown:
    """Base of classes that hold a secret; they say only their public name."""

    __slots__ = ()

    def _shown(self) -> str:
        return ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._shown()}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is neither pickled nor copied")
