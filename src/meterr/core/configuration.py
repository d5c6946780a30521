"""From flags, environment and file to one frozen ``Settings``, and where each value came from."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from meterr.core.crypto.errors import KeyRefused
from meterr.core.errors import OperatorError
from meterr.core.nearest import nearest
from meterr.core.private_file import read_mounted, refuse_open_to_others
from meterr.core.secrets.setting import PlainText, SecretSetting, is_reference
from meterr.core.settings import PRESETS, Settings, UpstreamSettings

PREFIX = "METERR_"
DEFAULT_FILE = "meterr.toml"
OUTSIDE_SETTINGS = frozenset({"METERR_CONFIG"})
"""``METERR_*`` variables that steer the command line itself and are no settings."""

Trail = tuple[str, ...]

_CONFIG_NAMES = tuple(name.removeprefix(PREFIX).lower() for name in OUTSIDE_SETTINGS)
_UPSTREAM_DEPTH = 3
_LISTS = (
    "allow",
    "allowed_hosts",
    "cors_origins",
    "credential_env",
    "models",
    "trusted_proxies",
)
_SECTIONS = frozenset(
    (name,)
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
)

_PRIVATE = frozenset({("key_encryption_key",), ("key_encryption_keys_previous",)})
"""Settings that are not taken from a file that other users may read or change."""

_OF_VAULT = {
    "vault_address": "VAULT_ADDR",
    "vault_namespace": "VAULT_NAMESPACE",
    "vault_token": "VAULT_TOKEN",
    "vault_ca_file": "VAULT_CACERT",
}
_SECRET_IN_URL = re.compile(r"(://)[^/@\s]+(?=@)|(?<=\?).+")
Tree = Mapping[str, Any]


class ConfigurationError(OperatorError):
    """A setting cannot be used; the text names it, where it came from, and the way out."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one source. ``name`` says which, e.g. ``environment`` or ``meterr.toml``."""

    name: str
    values: Mapping[Trail, Any]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force, and for each dotted name the source that won."""

    settings: Settings
    sources: Mapping[str, str]


def load(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None) -> Configuration:
    """
    Merge all sources into settings.

    Args:
        flags: Dotted setting name to value, as given on the command line; None values are ignored.
        environ: The process environment.
        file: Configuration file to read; None reads ``METERR_CONFIG`` or ``meterr.toml`` in the
            working directory if it exists.

    Raises:
        ConfigurationError: something is unknown, malformed, missing or unreadable.
    """
    layers = [
        Layer("default", {("data_dir",): default_data_dir(environ)}),
        _file_layer(_chosen_file(environ, file)),
        _environment_layer(environ),
        Layer("flag", {tuple(n.split(".")): v for n, v in flags.items() if v is not None}),
    ]
    values: dict[Trail, Any] = {}
    sources: dict[str, str] = {}
    for layer in layers:
        for path, value in layer.values.items():
            values[path] = value
            sources[".".join(path)] = layer.name
    _add_presets(values, sources, environ)
    _add_credentials(values, sources, environ)
    _add_vault(values, sources, environ)
    return Configuration(_validated(values, sources), sources)


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Return where state lives when nobody says: the system's place for root, else the user's."""
    if os.geteuid() == 0:
        return Path("/var/lib/meterr")
    share = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/")) / ".local" / "share"
    return Path(share) / "meterr"


def _chosen_file(environ: Mapping[str, str], file: Path | None) -> Path | None:
    if file is None and environ.get("METERR_CONFIG"):
        file = Path(environ["METERR_CONFIG"])
    if file is None:
        found = Path(DEFAULT_FILE)
        return found if found.is_file() else None
    if not file.is_file():
        raise ConfigurationError(f"{file}: no such configuration file")
    return file


def _file_layer(file: Path | None) -> Layer:
    if file is None:
        return Layer(DEFAULT_FILE, {})
    try:
        tree = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from error
    values = {path: value for path, value in _leaves(tree) if not _is_empty_section(path, value)}
    for path, value in values.items():
        _refuse_unknown(path, shown=f"{file}: {'.'.join(path)}")
        if not is_reference(value):
            _refuse_open_to_others(path, file)
    return Layer(str(file), values)


def _leaves(tree: Tree, above: Trail = ()) -> Iterator[tuple[Trail, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _is_empty_section(path: Trail, value: Any) -> bool:
    """A section whose every line is a comment sets nothing and is nothing to complain about."""
    return value == {} and (path == ("upstreams",) or path in _SECTIONS)


def _environment_layer(environ: Mapping[str, str]) -> Layer:
    values: dict[Trail, Any] = {}
    by: dict[Trail, str] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in OUTSIDE_SETTINGS:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        text = environ[name]
        if not _known(path) and path[-1].endswith("_file"):
            secret = (*path[:-1], path[-1].removesuffix("_file"))
            if _known(secret):
                _refuse_second(name, by.setdefault(secret, name))
                values[secret] = _read_secret(name, Path(text))
                _refuse_open_to_others(secret, Path(text))
                continue
        _refuse_unknown(path, shown=name, also=_CONFIG_NAMES)
        _refuse_second(name, by.setdefault(path, name))
        values[path] = _split(path, text)
    return Layer("environment", values)


def _refuse_second(name: str, first: str) -> None:
    """Two variables for one setting: whichever won, somebody would believe the other."""
    if name != first:
        raise ConfigurationError(f"{first} and {name} are the same setting: keep one of them")


def _read_secret(name: str, file: Path) -> PlainText:
    label = f"{name}: cannot take {file}"
    return PlainText(read_mounted(file, label=label, refused=ConfigurationError))


def _refuse_open_to_others(path: Trail, file: Path) -> None:
    if path in _PRIVATE:
        refuse_open_to_others(file, file.stat().st_mode, what=".".join(path), refused=KeyRefused)


def _split(path: Trail, text: str) -> Any:
    """Lists come from the environment as comma-separated text."""
    if path[-1] in _LISTS:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _known(path: Trail) -> bool:
    return _misstep(path) is None


def _misstep(path: Trail) -> tuple[str, Sequence[str]] | None:
    """Return the first wrong name of ``path`` and what is valid there, or None."""
    if path[0] == "upstreams" and len(path) == _UPSTREAM_DEPTH:
        fields = UpstreamSettings.model_fields
        return None if path[2] in fields else (path[2], tuple(fields))
    model: type[BaseModel] = Settings
    for depth, name in enumerate(path):
        if name == "upstreams" or name not in model.model_fields:
            return name, tuple(model.model_fields)
        inner = model.model_fields[name].annotation
        last = depth == len(path) - 1
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return None if last else (path[depth + 1], ())
        if last:
            return name, [f"{name}.{field}" for field in inner.model_fields]
        model = inner
    return None


def _refuse_unknown(path: Trail, shown: str, also: Sequence[str] = ()) -> None:
    """Raise unless ``path`` is a setting; ``also`` are further names that its first part may be."""
    if path[0] == "upstreams" and len(path) != _UPSTREAM_DEPTH:
        raise ConfigurationError(f"{shown}: write upstreams.NAME.FIELD, e.g. upstreams.own.models")
    wrong = _misstep(path)
    if wrong is not None:
        name, valid = wrong
        more = also if name == path[0] else ()
        raise ConfigurationError(f"{shown}: unknown setting{nearest(name, [*valid, *more])}")


def _add_presets(
    values: dict[Trail, Any], sources: dict[str, str], environ: Mapping[str, str]
) -> None:
    defined = {path[1] for path in values if path[0] == "upstreams" and len(path) > 1}
    for name, preset in PRESETS.items():
        if name in defined or not any(environ.get(v) for v in preset["credential_env"]):
            continue
        for field, value in preset.items():
            values["upstreams", name, field] = value
            sources[f"upstreams.{name}.{field}"] = "preset"


def _add_credentials(
    values: dict[Trail, Any], sources: dict[str, str], environ: Mapping[str, str]
) -> None:
    for name in sorted({p[1] for p in values if p[0] == "upstreams" and len(p) > 2}):
        at = ("upstreams", name, "credential")
        variables = values.get(("upstreams", name, "credential_env"), ())
        file = values.get(("upstreams", name, "credential_file"))
        if at in values or not (variables or file):
            continue
        label = ".".join(at)
        chosen = next((v for v in variables if environ.get(v)), None)
        if chosen is not None:
            values[at] = PlainText(environ[chosen])
            sources[label] = f"environment ({chosen})"
        elif file is not None:
            values[at], sources[label] = _read_secret(label, Path(file)), f"file ({file})"
        else:
            raise ConfigurationError(f"{label}_env: none of {', '.join(variables)} is set")


def _add_vault(
    values: dict[Trail, Any], sources: dict[str, str], environ: Mapping[str, str]
) -> None:
    """Take what Vault's own tools take, where no setting says otherwise."""
    for field, variable in _OF_VAULT.items():
        if ("secrets", field) not in values and environ.get(variable):
            values["secrets", field] = PlainText(environ[variable])
            sources[f"secrets.{field}"] = f"environment ({variable})"


def _validated(values: Mapping[Trail, Any], sources: Mapping[str, str]) -> Settings:
    tree: dict[str, Any] = {"upstreams": {}}
    for path, value in values.items():
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, sources)) from None


def _sentence(error: ValidationError, sources: Mapping[str, str]) -> str:
    """Say what is wrong without repeating values: one of them may be a secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        name = ".".join(str(part) for part in problem["loc"])
        source = sources.get(name)
        lines.append(f"{name}: {problem['msg']}" + (f" (from {source})" if source else ""))
    return "; ".join(lines)


def explained(configuration: Configuration) -> Iterator[tuple[str, str, str]]:
    """Yield (dotted name, value with secrets masked, source) for every setting, in order."""
    for name, value in _flat(configuration.settings):
        yield name, _masked(value), configuration.sources.get(name, "default")


def _flat(model: BaseModel, above: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from _flat(inner, f"{above}{name}.{key}.")
        else:
            yield f"{above}{name}", value


def _masked(value: Any) -> str:
    if isinstance(value, SecretSetting) and value.reference is not None:
        return str(value.reference)
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value is None else _SECRET_IN_URL.sub(r"\1********", str(value))
