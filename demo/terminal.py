"""What the reader sees: short aligned lines, colours only where they help and are wanted."""

import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

_GREEN, _RED, _BOLD, _DIM = "32", "31", "1", "2"


class Terminal:
    """Write the story to ``out``; coloured on a terminal, unless NO_COLOR is set."""

    def __init__(self, environ: Mapping[str, str], out: TextIO = sys.stdout) -> None:
        self._out = out
        self._colours = (
            out.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        )

    def heading(self, text: str) -> None:
        """Begin a part of the story."""
        self._write("\n" + self._styled(text, _BOLD))

    def line(self, text: str = "") -> None:
        """Write one line of the part."""
        self._write(f"  {text}" if text else "")

    def aside(self, text: str) -> None:
        """Write what only some readers need."""
        self._write("  " + self._styled(text, _DIM))

    def cells(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        """Write one row of a table as it happens; a negative width aligns to the right."""
        self.line(_row(cells, widths))

    def head(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        """Write the head of such a table."""
        self.aside(_row(cells, widths))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]) -> None:
        """Write a finished table; ``right`` are the columns aligned to the right."""
        widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
        signed = [-width if at in right else width for at, width in enumerate(widths)]
        self.head(head, signed)
        for row in rows:
            self.cells(row, signed)

    def verdict(self, text: str, *, holds: bool) -> None:
        """Say whether a proof holds."""
        mark = self._styled("ok  ", _GREEN) if holds else self._styled("FAIL", _RED)
        self.line(f"{mark}  {text}")

    def failure(self, text: str) -> None:
        """Say why the demo ends early."""
        self._write(self._styled(f"demo: {text}", _RED))

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colours else text

    def _write(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(-width) if width < 0 else cell.ljust(width)
        for cell, width in zip(cells, widths, strict=True)
    ]
    return "  ".join(padded).rstrip()
