"""
./dev eval: questions in plain language, from cassettes, over a real database, judged.

Exits 0 when every question ended as it must, 1 when one did not or a row of another tenant was
seen, 3 when an answer is not on file or does not come, or there is no such question.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from evaluation import report
from evaluation.asked import FOLDER, Asked, all_questions
from evaluation.cassettes import (
    HAND_WRITTEN,
    CassetteMiss,
    Player,
    Recorder,
    Scripted,
    Take,
    file_of,
    read_takes,
    write_takes,
)
from evaluation.database import census, own_server
from evaluation.playing import Ended, Sitting, play
from meterr.core.errors import Unavailable
from meterr.query.language import Model
from meterr.query.language.gateway_model import GatewayModel

COULD_NOT_CHECK = 3


Server = Callable[[], AbstractContextManager[tuple[str, str]]]


def main(arguments: Sequence[str], server: Server = own_server) -> int:
    """
    Play, re-key or record, and print the figures.

    ``server`` yields the DSNs of a superuser and of the tenant that asks, of a filled database.
    """
    options = _options(arguments)
    file = file_of(options.cassettes, options.model)
    takes = read_takes(file)
    sources = Sources(options, takes)
    questions = [each for each in all_questions() if options.only in each.id]
    if not questions:
        print(f"No question's id contains {options.only}.", file=sys.stderr)
        return COULD_NOT_CHECK
    with server() as (admin_dsn, tenant_dsn):
        before = census(admin_dsn)
        try:
            ended = asyncio.run(play(Sitting(tenant_dsn), questions, sources.model_for))
        except CassetteMiss as miss:
            print(f"No answer of {options.model} is on file for: {miss}", file=sys.stderr)
            print("Hand-written: ./dev eval --rekey. A real model: --record.", file=sys.stderr)
            return COULD_NOT_CHECK
        except Unavailable as fault:  # after minutes with a real model: nothing of them is lost
            sources.keep(file, unfinished=True)
            why = f"{fault.detail} ({fault.private})"
            print(f"{options.model} gave no answer: {why}\nWhat came is kept.", file=sys.stderr)
            return COULD_NOT_CHECK
        unchanged = before == census(admin_dsn)
    sources.keep(file)
    return _told(ended, options.model, unchanged=unchanged)


class Sources:
    """Where answers come from, and those that came from elsewhere than the file."""

    def __init__(self, options: argparse.Namespace, takes: Mapping[str, Take]) -> None:
        self._options = options
        self._takes = takes
        self._recorders: list[Recorder] = []

    def model_for(self, asked: Asked) -> Model:
        """Return the model that answers one question."""
        model = self._options.model
        if not (self._options.rekey or self._options.record):
            return Player(model, self._takes)
        inner, origin = (
            (Scripted(asked.script), HAND_WRITTEN)
            if self._options.rekey
            else (self._options.gateway, "recorded")
        )
        self._recorders.append(Recorder(inner, asked.id, model, origin))
        return self._recorders[-1]

    def keep(self, file: Path, *, unfinished: bool = False) -> None:
        """Write the answers that came; of questions that were not asked, keep what is on file."""
        recorders = self._recorders[: -1 if unfinished else None]
        if not recorders:
            return
        asked_now = {recorder.question for recorder in recorders}
        kept = [take for take in self._takes.values() if take.question not in asked_now]
        if not (unfinished or self._options.only):
            kept = []  # of questions that there are no more
        kept += [take for recorder in recorders for take in recorder.takes]
        write_takes(file, {take.digest: take for take in kept}.values())


def _told(ended: list[Ended], model: str, *, unchanged: bool) -> int:
    print(report.table(ended, model, unchanged))
    print()
    print(report.by_kind(ended))
    faults = report.unexpected(ended) if model == HAND_WRITTEN else []
    for fault in faults:
        print(f"\nNOT AS EXPECTED {fault}")
    return int(bool(faults) or not unchanged or any(each.foreign for each in ended))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev eval", description=__doc__)
    parser.add_argument("--model", default=HAND_WRITTEN, help="whose cassettes (hand-written)")
    parser.add_argument("--only", default="", help="questions whose id contains this")
    parser.add_argument(
        "--rekey", action="store_true", help="file the hand-written answers under today's prompts"
    )
    parser.add_argument("--record", action="store_true", help="ask --model at --url, and keep it")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="a gateway of meterr")
    parser.add_argument("--key-file", help="file with a key of that gateway")
    parser.add_argument(
        "--cassettes", type=Path, default=FOLDER / "cassettes", help="folder of the answers on file"
    )
    options = parser.parse_args(arguments)
    if options.rekey and options.model != HAND_WRITTEN:
        parser.error("--rekey is for the hand-written answers; a real model's are recorded")
    if options.record and (options.model == HAND_WRITTEN or not options.key_file):
        parser.error("--record needs --model and --key-file")
    if options.record:
        try:
            key = Path(options.key_file).read_text().strip()
            options.gateway = GatewayModel(options.url, key, options.model)
        except (OSError, ValueError) as fault:
            parser.error(str(fault))
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
