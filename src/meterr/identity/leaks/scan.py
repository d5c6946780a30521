"""Finding keys of ours in any text: by format and checksum, which nothing else has by chance."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from meterr.identity.api_key import ApiKey, parse

# Looked ahead for, not taken: the last letters of what only looks like a key may begin a real one.
_SHAPED: Final = re.compile(rb"(?=(sk-meterr_(?:live|test)_[0-9A-Za-z]{32}))")
_KEY_BYTES: Final = len(b"sk-meterr_live_") + 32


def scan(chunks: Iterable[bytes]) -> Iterator[ApiKey]:
    """
    Yield every key in a text that comes in pieces, each time it occurs. Pure.

    What stands before and after a key does not matter, nor where the pieces are cut. The text is
    taken as it is: a key that was compressed, encoded or broken into lines is not found.
    """
    tail = b""
    for chunk in chunks:
        text = tail + chunk
        for found in _SHAPED.finditer(text):
            key = parse(found[1])
            if key is not None:
                yield key
        # One byte less than a key: what is cut here is kept, what was whole is not seen twice.
        tail = text[-(_KEY_BYTES - 1) :]
