"""What a backup cannot be used without: key-encryption keys and peppers, none of which is in it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from meterr.core.backup.errors import BackupRefused

_LACKING: Final = b"lacking "
_WAY_OUT: Final = (
    "Nothing was replaced. Set those of the backup's time as METERR_KEY_ENCRYPTION_KEYS_PREVIOUS"
    " and METERR_KEY_PEPPER_PREVIOUS (with the embedded server: add them to the file"
    " key-encryption-keys, put back the file pepper). If they are lost, --without-keys restores all"
    " the same: what is encrypted under them cannot be read any more, and keys under them end with"
    " --revoke-all."
)


@dataclass(frozen=True, slots=True)
class Keys:
    """
    The keys at hand, as a database knows them.

    ``keks`` are the verifiers of key-encryption keys by name, ``peppers`` the ids of peppers.
    """

    keks: Mapping[str, bytes]
    peppers: Collection[str]


@dataclass(frozen=True, slots=True)
class Needs:
    """The names of what a backup cannot be used without: ids, never keys."""

    keks: Sequence[str]
    peppers: Sequence[str]

    def __str__(self) -> str:
        names = [f"key-encryption key {name}" for name in self.keks]
        return ", ".join(names + [f"pepper {name}" for name in self.peppers])


class _Lacking(msgspec.Struct, frozen=True):
    keks: Sequence[str]
    peppers: Mapping[str, int]


def variables(keys: Keys | None) -> list[str]:
    """Return what the script is told of the keys at hand; without any told it does not look."""
    keks, peppers = "", "[]"
    if keys is not None:
        keks = _json({name: verifier.hex() for name, verifier in keys.keks.items()})
        peppers = _json(sorted(keys.peppers))
    return [f"--set=keks={keks}", f"--set=peppers={peppers}"]


def refuse_lacking(said: bytes) -> None:
    """Raise BackupRefused when the script said that something at hand is not what is needed."""
    for line in said.splitlines():
        if line.startswith(_LACKING):
            lacking = msgspec.json.decode(line.removeprefix(_LACKING), type=_Lacking)
            needed = [f"key-encryption key {name}" for name in lacking.keks]
            needed += [f"pepper {name} ({keys} keys)" for name, keys in lacking.peppers.items()]
            raise BackupRefused(
                f"the backup needs what is not configured here: {', '.join(needed)}. {_WAY_OUT}"
            )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
