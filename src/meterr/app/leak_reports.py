"""The reporter's public keys, fetched through the guarded client."""

from dataclasses import dataclass

from meterr.core.errors import Unavailable
from meterr.core.http.outbound import AllowList, Guard
from meterr.core.http.outbound.client import Outbound, OutboundRequest
from meterr.core.settings import Settings


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


def published_keys(settings: Settings) -> PublishedKeys | None:
    """Return the configured reporter's keys, None when no reports are taken."""
    if settings.leaks.public_keys_url is None:
        return None
    guard = Guard(AllowList.parse(settings.outbound.allow))
    return PublishedKeys(Outbound(guard), settings.leaks.public_keys_url)
