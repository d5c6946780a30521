"""Which calls a rate of tokens refuses for ever, and which may have a minute to themselves."""

from typing import Any

import pytest
from bounds_samples import CHAT, MESSAGES, bounds, said, size_of

from meterr.gateway.errors import CallTooLarge
from meterr.gateway.holding import _refuse_what_never_fits

SCREENSHOT = {"url": "data:image/png;base64," + "A" * 1_400_000}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "A" * 2_000_000}


@pytest.mark.parametrize(
    ("surface", "part"),
    [
        (CHAT, {"type": "image_url", "image_url": SCREENSHOT}),
        (MESSAGES, {"type": "document", "source": PDF}),
    ],
)
def test_the_bytes_of_a_picture_or_a_file_are_no_reason_to_refuse_it_for_ever(
    surface: str, part: dict[str, Any]
) -> None:
    """A screenshot of a megabyte takes some 1,600 tokens."""
    fields = {**said(surface, part), "max_tokens": 100}
    _refuse_what_never_fits(30_000, bounds(surface, fields), size_of(surface, fields))
    text = {**said(surface, {"type": "text", "text": "A" * 1_400_000}), "max_tokens": 100}
    with pytest.raises(CallTooLarge):
        _refuse_what_never_fits(30_000, bounds(surface, text), size_of(surface, text))
