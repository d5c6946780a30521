"""A setting that holds a secret, or says where one is kept."""

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

from meterr.core.errors import OperatorError
from meterr.core.secrets.reference import PLAIN, Reference

_Model = TypeVar("_Model", bound=BaseModel)

Read = Callable[[Reference, str], str]
"""Return the secret that a reference names; the second argument says who asks."""


class PlainText(str):
    """A text that is the secret itself, whatever it looks like: the content of a secret's file."""

    __slots__ = ()


class SecretSetting(SecretStr):
    """
    A secret in the settings. What is written there may be a reference; see ``Reference``.

    ``get_secret_value`` reads a reference anew each time, through the reader that it was bound to:
    it may block and raise what ``SecretReader.read`` raises. Unbound, it raises OperatorError, so
    that a reference is never taken for a secret.
    """

    reference: Reference | None
    _read: Callable[[], str] | None

    def __init__(
        self,
        secret_value: str,
        reference: Reference | None = None,
        read: Callable[[], str] | None = None,
    ) -> None:
        super().__init__(secret_value)
        self.reference = reference
        self._read = read

    @classmethod
    def validated(cls, value: object) -> Self:
        """Read a setting. Raises ValueError, without the value, for a malformed reference."""
        if isinstance(value, cls):
            return value
        if isinstance(value, SecretStr):
            return cls(value.get_secret_value())
        if not isinstance(value, str):
            # pydantic tells a ValueError to the person who wrote the setting, and raises others.
            raise ValueError("should be text")  # noqa: TRY004 (as the line above says)
        if isinstance(value, PlainText):
            return cls(str(value))
        if value.startswith(PLAIN):
            return cls(value.removeprefix(PLAIN))
        reference = Reference.parse(value)
        return cls(value) if reference is None else cls(str(reference), reference)

    def bound(self, read: Callable[[], str]) -> Self:
        """Return this setting with the way to read its reference."""
        return type(self)(self._secret_value, self.reference, read)

    def get_secret_value(self) -> str:
        """Return the secret itself."""
        if self.reference is None:
            return self._secret_value
        if self._read is None:
            raise OperatorError(f"{self.reference}: this secret has not been read")
        return self._read()

    def __eq__(self, other: object) -> bool:
        """Compare what is written, without reading anything."""
        if not isinstance(other, SecretSetting):
            return False
        return (self._secret_value, self.reference) == (other._secret_value, other.reference)

    def __hash__(self) -> int:
        return hash((self._secret_value, self.reference))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.validated)


def is_reference(written: object) -> bool:
    """Return whether a setting says where a secret is kept, and so is none itself."""
    try:
        setting = SecretSetting.validated(written)
    except ValueError:
        return False  # whoever reads the settings says what is wrong with it
    return setting.reference is not None


def bind(model: _Model, read: Read, above: str = "") -> _Model:
    """Return settings whose references are read through ``read``, each under its dotted name."""
    changes: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = _bound(getattr(model, name), read, f"{above}{name}")
        if value is not None:
            changes[name] = value
    return model.model_copy(update=changes) if changes else model


def secrets_of(model: BaseModel) -> Iterator[SecretStr]:
    """Yield every secret of some settings."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        for each in value.values() if isinstance(value, dict) else (value,):
            if isinstance(each, SecretStr):
                yield each
            elif isinstance(each, BaseModel):
                yield from secrets_of(each)


def _bound(value: Any, read: Read, name: str) -> Any:
    """Return what replaces ``value``, or None when it stays."""
    match value:
        case SecretSetting(reference=Reference() as reference):
            return value.bound(lambda: read(reference, name))
        case BaseModel():
            changed = bind(value, read, f"{name}.")
            return None if changed is value else changed
        case dict():
            return {key: _bound(each, read, f"{name}.{key}") or each for key, each in value.items()}
        case _:
            return None
