"""When a key's default for the length of answers is sent: when nothing else would bound them."""

from typing import Any

import pytest
from bounds_samples import CHAT, MESSAGES, RESPONSES, body_of, bounds, bounds_of_body

from meterr.core.principal import Principal, UnknownPrice
from meterr.gateway.admission import Admitted
from meterr.gateway.metering import inject_output_bound, read_request
from meterr.gateway.routing import Upstream
from meterr.gateway.surfaces import SURFACES

KEY = Principal(
    "t",
    "k",
    frozenset(),
    None,
    UnknownPrice.REFUSE,
    output_tokens_default=7,
    send_output_default=True,
)


@pytest.mark.parametrize(
    ("surface", "provider", "fields", "sent"),
    [
        (CHAT, "openai", {}, "max_completion_tokens"),
        (CHAT, "openai", {"max_completion_tokens": 5}, None),
        (CHAT, "openai", {"max_tokens": 5}, None),
        (CHAT, "openai", {"max_completion_tokens": 0}, "max_completion_tokens"),
        (CHAT, "moonshotai", {"max_completion_tokens": 5}, None),
        (CHAT, "local", {"max_completion_tokens": 5}, "max_tokens"),
        (CHAT, "local", {"max_completion_tokens": 100_000}, "max_tokens"),
        (CHAT, "local", {"max_tokens": 5, "max_completion_tokens": 100_000}, None),
        (CHAT, "local", {"max_tokens": 5}, None),
        (CHAT, "local", {"max_tokens": 0}, "max_tokens"),
        (CHAT, "local", {"max_tokens": None}, "max_tokens"),
        (RESPONSES, "openai", {"max_output_tokens": 0}, "max_output_tokens"),
        (MESSAGES, "anthropic", {"max_tokens": 0}, None),
        (MESSAGES, "moonshotai", {"max_tokens": 0}, "max_tokens"),
    ],
)
def test_the_default_is_sent_where_no_field_bounds_the_answer(
    surface: str, provider: str, fields: dict[str, Any], sent: str | None
) -> None:
    """P3: in a field at which this provider stops; one that it may stop at instead counts too."""
    body = body_of(surface, fields)
    facts = read_request(surface, body)
    where = next(each for each in SURFACES if each.name == surface)
    upstream = Upstream("u", provider, frozenset(), ())
    admitted = Admitted(KEY, where, facts, upstream, None)
    assert (7 if sent else None) == admitted.output_default
    reserved = bounds(surface, fields, provider=provider, default=7).output_tokens
    if sent:
        assert sent == admitted.output_field
        edited = inject_output_bound(body, sent, 7)
        assert reserved == max(7, fields.get("max_completion_tokens", 0))
        assert bounds_of_body(surface, edited, provider=provider).output_tokens == reserved
    else:
        assert reserved == max(fields.values())
