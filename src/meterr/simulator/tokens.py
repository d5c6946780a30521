"""The simulator's token rule: four UTF-8 bytes are one token, begun tokens count."""

from meterr.simulator.model import Json

BYTES_PER_TOKEN = 4
_TEXT_KEYS = ("text", "content", "output")


def count(*texts: str) -> int:
    """Return the tokens of ``texts`` read as one: ceil(UTF-8 bytes / 4); 0 for no text."""
    return -(-sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) // BYTES_PER_TOKEN)


def text_of(node: Json) -> str:
    """
    Return the text in a message, a content part, or a list of either, joined without separator.

    Reads the keys ``text``, ``content`` and ``output``; anything else (images, ids, tool arguments)
    holds no text and costs nothing here.
    """
    found: list[str] = []
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            waiting.extend(item[key] for key in reversed(_TEXT_KEYS) if key in item)
    return "".join(found)


def first(text: str, tokens_max: int) -> str:
    """Return the longest start of ``text`` within ``tokens_max`` tokens, in whole characters."""
    room = tokens_max * BYTES_PER_TOKEN
    return text.encode("utf-8", "surrogatepass")[:room].decode("utf-8", "ignore")


def split(text: str, pieces: int) -> list[str]:
    """Cut ``text`` into ``pieces`` parts of nearly equal length; at most one part per character."""
    parts = min(pieces, len(text))
    return [text[len(text) * i // parts : len(text) * (i + 1) // parts] for i in range(parts)]
