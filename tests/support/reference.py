"""
The generated parts of the documentation: what the code itself knows best.

A page marks such a part with a comment that names it; everything else on the page is written by
hand. Bring all pages up to date with ``.venv/bin/python tests/support/reference.py``.
"""

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import meterr
from meterr.cli import cli
from meterr.core.api import Operation
from meterr.core.api.openapi import OpenApi
from meterr.core.configuration import PREFIX
from meterr.core.errors import MeterrError
from meterr.core.events.api import EventRoutes
from meterr.core.events.kinds import CATALOGUE
from meterr.core.policy import Open
from meterr.core.settings import PRESETS, Group, Settings, UpstreamSettings
from meterr.gateway import SURFACES, Family, dialect, headers
from meterr.identity import api as identity_api
from meterr.identity.api.leaks import LeakRoutes
from meterr.ledger import api as ledger_api
from meterr.ledger.model import INPUT_CLASSES, OUTPUT_CLASSES, PRICED_CLASSES, REQUEST_CLASSES
from meterr.ledger.price_context import CONTEXTS
from meterr.ledger.rates import _PARENT
from meterr.query import api as query_api

ROOT = Path(__file__).resolve().parents[2]
HELP_WIDTH = 90
_PART = re.compile(r"<!-- generated: (?P<name>\w+) -->\n.*?<!-- /generated -->", re.DOTALL)

Row = Sequence[str]


def pages() -> list[Path]:
    """Return every page that may have generated parts."""
    return sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def fresh(text: str) -> str:
    """Return a page's text with its generated parts made again."""
    return _PART.sub(
        lambda part: (
            f"<!-- generated: {part['name']} -->\n{PARTS[part['name']]()}\n<!-- /generated -->"
        ),
        text,
    )


def parts_of(text: str) -> set[str]:
    """Return the names of the generated parts of a page."""
    return {part["name"] for part in _PART.finditer(text)}


def table(columns: Row, rows: Iterable[Row]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fenced(text: str) -> str:
    """Return ``text`` as a block of plain text."""
    return f"```text\n{text.rstrip()}\n```"


def code(text: object) -> str:
    """Return ``text`` as code, or nothing when it is empty."""
    return f"`{text}`" if str(text) else ""


# The command line ----------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, groups before what is in them."""
    waiting: list[tuple[str, click.Command]] = [("meterr", cli)]
    while waiting:
        name, command = waiting.pop(0)
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            found = [(n, command.get_command(context, n)) for n in command.list_commands(context)]
            waiting = [(f"{name} {n}", each) for n, each in found if each] + waiting


def help_of(name: str, command: click.Command) -> str:
    """Return what ``name --help`` writes."""
    settings = command.context_settings | {"help_option_names": ["-h", "--help"]}
    context = click.Context(command, info_name=name, max_content_width=HELP_WIDTH, **settings)
    context.terminal_width = HELP_WIDTH
    return command.get_help(context)


def _help() -> str:
    return fenced(help_of("meterr", cli))


def _commands() -> str:
    return "\n\n".join(
        f"## `{name}`\n\n{fenced(help_of(name, command))}"
        for name, command in commands()
        if name != "meterr"
    )


def _topic(name: str) -> Callable[[], str]:
    topics = importlib.import_module("meterr.cli.topics")
    return lambda: fenced(topics._TOPICS[name])


# Settings ------------------------------------------------------------------------------------


def settings_fields(
    model: type[BaseModel] = Settings, above: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting by its dotted name, those of one upstream under ``upstreams.NAME``."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Group):
            yield from settings_fields(inner, f"{above}{name}.")
        elif name == "upstreams":
            yield from settings_fields(UpstreamSettings, "upstreams.NAME.")
        else:
            yield f"{above}{name}", field


def variable_of(setting: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + setting.upper().replace(".", "__")


def _default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "see text" if "Default:" in (field.description or "") else "required"
    value = field.default
    return "" if value is None or value == () else code(value)


def _settings() -> str:
    rows = [
        [code(name), code(variable_of(name)), _default_of(field), field.description or ""]
        for name, field in settings_fields()
    ]
    return table(["setting", "environment variable", "default", "meaning"], rows)


def _presets() -> str:
    names = [name for name in UpstreamSettings.model_fields if name != "credential"]
    shown = [n for n in names if any(n in preset for preset in PRESETS.values())]
    rows = [
        [code(name), *(_listed(preset.get(n)) for n in shown)] for name, preset in PRESETS.items()
    ]
    return table(["upstream", *map(code, shown)], rows)


def _listed(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(map(code, value)) if isinstance(value, tuple) else code(value)


# The API -------------------------------------------------------------------------------------


def errors() -> list[type[MeterrError]]:
    """Import every module of meterr and return every error with a code of its own, by status."""
    for module in pkgutil.walk_packages(meterr.__path__, "meterr."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: dict[str, type[MeterrError]] = {}
    waiting = MeterrError.__subclasses__()
    while waiting:
        error = waiting.pop(0)
        if error.__module__.startswith("meterr."):
            found.setdefault(error.code, error)
        waiting += error.__subclasses__()
    return sorted(found.values(), key=lambda error: (error.status, error.code))


def _errors() -> str:
    rows = []
    for kind in errors():
        error = kind.__new__(kind)
        MeterrError.__init__(error, "")
        openai = json.loads(dialect.body(Family.OPENAI, error, ""))["error"]
        anthropic = json.loads(dialect.body(Family.ANTHROPIC, error, ""))["error"]
        meaning = (inspect.getdoc(kind) or "").partition("\n")[0].partition(";")[0].rstrip(".")
        rows.append(
            [
                f"[`{kind.code}`](#{kind.code})",
                str(kind.status),
                meaning,
                f"`{openai['type']}`, `{openai['code']}`",
                code(anthropic["type"]),
            ]
        )
    return table(["code", "status", "meaning", "OpenAI `type`, `code`", "Anthropic `type`"], rows)


def _surfaces() -> str:
    return table(
        ["path", "name in the ledger", "key scope", "streams", "billed"],
        [
            [
                code(f"POST {each.path}"),
                code(each.name),
                code(each.scope.value),
                _yes(each.streams),
                _yes(each.billed),
            ]
            for each in SURFACES
        ],
    )


def operations() -> list[Operation]:
    """Return every operation of the management API, by path; its services are not needed."""
    nothing: Any = None
    found = [
        *OpenApi().operations(),
        *identity_api.operations(nothing),
        *ledger_api.operations(nothing, nothing),
        *EventRoutes(nothing, nothing).operations(),
        *LeakRoutes(nothing, nothing, nothing, None).operations(),
        *query_api.operations(nothing, nothing, nothing, nothing, nothing),
    ]
    return sorted(found, key=lambda each: (each.route.path, each.route.method))


def _management() -> str:
    rows = []
    for each in operations():
        access = f"none: {each.access.why}" if isinstance(each.access, Open) else code(each.access)
        access += f", or a key with `{each.key_scope}`" if each.key_scope else ""
        does = (inspect.getdoc(each.endpoint) or "").partition("\n")[0]
        rows.append([code(f"{each.route.method} {each.route.path}"), access, does])
    return table(["path", "permission", "does"], rows)


def _events() -> str:
    rows = [
        [
            code(kind),
            entry.severity,
            entry.outcome,
            "reported" if entry.reported else "with its change",
            ", ".join(map(code, entry.details)),
            entry.means,
        ]
        for kind, entry in CATALOGUE.items()
    ]
    return table(["kind", "severity", "outcome", "written", "detail", "meaning"], rows)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _header_names(names: Iterable[bytes]) -> str:
    return ", ".join(f"`{name.decode()}`" for name in sorted(names)) + "."


def _withheld_headers() -> str:
    return _header_names(headers._NOT_FORWARDED)


def _returned_headers() -> str:
    prefixes = (prefix + b"*" for prefix in headers._RETURNED_PREFIXES)
    return _header_names([*headers._RETURNED, *prefixes])


# Prices --------------------------------------------------------------------------------------


def _price_classes() -> str:
    kinds = {
        **dict.fromkeys(INPUT_CLASSES, ("prompt", "per million tokens")),
        **dict.fromkeys(OUTPUT_CLASSES, ("answer", "per million tokens")),
        **dict.fromkeys(REQUEST_CLASSES, ("server tool", "per thousand requests")),
    }
    rows = [[code(name), *kinds[name], _fallback(name)] for name in PRICED_CLASSES]
    return table(["class", "side", "rate", "without a rate of its own"], rows)


def _fallback(name: str) -> str:
    parent = _PARENT.get(name)
    while parent is not None and parent not in PRICED_CLASSES:
        parent = _PARENT.get(parent)
    if parent is None:
        return "must have one" if name in ("input", "output") else "cost unknown"
    return f"that of `{parent}`"


def _contexts() -> str:
    return ", ".join(map(code, CONTEXTS)) + "."


PARTS: Mapping[str, Callable[[], str]] = {
    "help": _help,
    "commands": _commands,
    "exit_codes": _topic("exit-codes"),
    "environment": _topic("environment"),
    "settings": _settings,
    "presets": _presets,
    "errors": _errors,
    "surfaces": _surfaces,
    "management": _management,
    "events": _events,
    "withheld_headers": _withheld_headers,
    "returned_headers": _returned_headers,
    "price_classes": _price_classes,
    "contexts": _contexts,
}


def main() -> None:
    """Write every page whose generated parts are stale, and name it."""
    for page in pages():
        text = page.read_text()
        if text != fresh(text):
            page.write_text(fresh(text))
            click.echo(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
