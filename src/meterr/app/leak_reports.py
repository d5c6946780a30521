"""The reporter's public keys, fetched through the guarded client."""

from collections.abc import Sequence
from dataclasses import dataclass

from meterr.core.errors import Unavailable
from meterr.core.http.outbound import AllowList, Guard
from meterr.core.http.outbound.client import Outbound, OutboundRequest


class KeysUnavailable(Unavailable):
    """The reporter's public keys cannot be fetched right now."""

    code, title = "report-keys-unavailable", "Public keys unavailable"

    def __init__(self, status: int) -> None:
        super().__init__(
            "The reporter's public keys cannot be fetched right now. Report again later.",
            private=f"status={status}",
            retry_after_s=60,
        )


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The document of public keys at one address."""

    outbound: Outbound
    url: str

    async def __call__(self) -> bytes:
        """Return the document. Raises what ``Outbound.fetch`` does, and KeysUnavailable."""
        answer = await self.outbound.fetch(OutboundRequest("GET", self.url))
        if answer.status != 200:
            raise KeysUnavailable(answer.status)
        return answer.body


def published_keys(url: str, allow: Sequence[str]) -> PublishedKeys:
    """Return the document at ``url``; ``allow`` are the networks from ``outbound.allow``."""
    return PublishedKeys(Outbound(Guard(AllowList.parse(allow))), url)
