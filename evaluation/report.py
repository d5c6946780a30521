"""The figures of one evaluation, as a table that says what they are about."""

from collections.abc import Iterable

from evaluation.cassettes import HAND_WRITTEN
from evaluation.playing import Ended

_CAVEAT = (
    "The answers played here were written by hand, bad ones included. They are not a recording:\n"
    "the figures show what meterr does with such answers, and nothing about any real model."
)


def table(ended: list[Ended], model: str, unchanged: bool) -> str:
    """Return all figures as text."""
    answerable = [each for each in ended if each.asked.wants == "answer"]
    refusable = [each for each in ended if each.asked.wants == "decline"]
    unclear = [each for each in ended if each.asked.wants == "ask"]
    repaired = [each for each in answerable if each.first_failed]
    answered = [each for each in ended if each.how in {"correct", "wrong"}]
    lines = [
        ("questions", str(len(ended))),
        ("execution accuracy", _share(_of(answerable, "correct"), answerable)),
        ("  by metric", str(sum(each.tier == "metric" for each in _of(answerable, "correct")))),
        (
            "  by SQL of the model",
            str(sum(each.tier == "sql" for each in _of(answerable, "correct"))),
        ),
        ("refusal correctness", _share(_of(refusable, "declined"), refusable)),
        ("asked back when unclear", _share(_of(unclear, "asked-back"), unclear)),
        ("repair success", _share(_of(repaired, "correct"), repaired)),
        ("wrong but plausible", _share(_of(ended, "wrong"), answered)),
        ("answers with foreign rows", str(sum(each.foreign for each in ended))),
        ("state changed", "no" if unchanged else "YES"),
    ]
    head = f"model: {model}\n" + (f"{_CAVEAT}\n" if model == HAND_WRITTEN else "")
    return head + "\n" + "\n".join(f"{name:<28}{figure}" for name, figure in lines)


def by_kind(ended: list[Ended]) -> str:
    """Return one line for each kind of question: how its questions ended."""
    kinds = dict.fromkeys(each.asked.kind for each in ended)
    head = f"{'kind':<16}{'questions':>10}{'correct':>9}{'declined':>9}{'asked':>7}{'wrong':>7}"
    rows = [head]
    for kind in kinds:
        of_kind = [each for each in ended if each.asked.kind == kind]
        counts = [len(_of(of_kind, how)) for how in ("correct", "declined", "asked-back", "wrong")]
        widths = (9, 9, 7, 7)
        cells = "".join(f"{n:>{width}}" for n, width in zip(counts, widths, strict=True))
        rows.append(f"{kind:<16}{len(of_kind):>10}{cells}")
    return "\n".join(rows)


def unexpected(ended: Iterable[Ended]) -> list[str]:
    """Return a line for each hand-written question that did not end as it must."""
    return [
        f"{each.asked.id}: {each.how} ({each.code or each.tier}), not {each.asked.ends}\n{each.sql}"
        for each in ended
        if each.how != each.asked.ends
    ]


def _of(ended: list[Ended], how: str) -> list[Ended]:
    return [each for each in ended if each.how == how]


def _share(some: list[Ended], of_all: list[Ended]) -> str:
    percent = f" ({100 * len(some) / len(of_all):.1f} %)" if of_all else ""
    return f"{len(some)} of {len(of_all)}{percent}"
