"""The demo's tables as a catalogue, and the questions that people honestly ask."""

import re
from pathlib import Path

from meterr.query import Catalogue, Column, Relation

FOLDER = Path(__file__).parent
_TABLE = re.compile(r"^create table (\w+)(?: \((.*?)\);$| as$)", re.MULTILINE | re.DOTALL)
_DAILY = "day key_id key_name owner provider model calls input_tokens output_tokens cost_usd"


def statements(folder: str) -> list[tuple[str, str]]:
    """Return (file:number, text) of every statement in a folder; a blank line ends one."""
    return [
        (f"{path.stem}:{number}", text.strip("\n"))
        for path in sorted((FOLDER / folder).glob("*.sql"))
        for number, text in enumerate(re.split(r"\n{2,}", path.read_text().strip()), 1)
    ]


def demo_catalogue() -> Catalogue:
    """Read the relations out of demo.sql, so that neither can lag behind the other."""
    relations = []
    for table in _TABLE.finditer((FOLDER / "demo.sql").read_text()):
        columns = tuple(map(Column, _DAILY.split())) if table[2] is None else _columns(table[2])
        relations.append(Relation("public", table[1], columns))
    return Catalogue(relations)


def _columns(definition: str) -> tuple[Column, ...]:
    flat = re.sub(r"\([^()]*\)", "", definition)
    words = [part.split() for part in flat.split(",")]
    return tuple(Column(word[0], type=word[1]) for word in words if word[0] != "primary")
