"""Frozen types of protecting a database: what stands in the way, what was done, what was tried."""

from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

WORDS: Final = {
    "no such table": "there is no such table",
    "not a table": "only tables have rows of their own to protect; name what the view reads",
    "a partition": "name the partitioned table, not a part of it",
    "not the owner": "this login does not own it; only an owner can set row security",
    "no such column": "there is no such column",
    "no tenant column": "it has no such tenant column; leave it out, or add the column",
    "own row security": "it has row security of its own, so rows of several belong in it: name its "
    "tenant column",
    "sleeping policies": "it has policies that do not count yet and would: enable row security "
    "yourself first, or drop them",
    "everybody may use": "everybody has rights on it: revoke them from public",
    "open schema": "everybody may create in it: revoke create from public",
    "would lose rows": "row security would hide all rows from it: name it with --keep-role",
    "no such role": "there is no such role to keep",
    "has policies": "its rows are filtered by policies already; keeping it would open them",
    "cannot make roles": "this login has no CREATEROLE",
    "cannot make a schema": "this login may not create a schema in it",
    "somebody else's schema": "the schema, or what is in it, is not as meterr made it: drop it",
    "reads": "the login could read it all",
    "writes": "the login could change it",
    "is not held to its rows": "row security does not hold there",
    "calls": "the login could call it, and it runs with its owner's rights: revoke execute on it "
    "from public",
    "creates in": "the login could create something there",
    "is more than a reader": "the login is more than a reader by it",
    "may be taken on by": "it could become the login",
}
"""What each kind of problem and hole means, for the operator."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a database from being protected, or that a login could do in it."""

    kind: str
    name: str

    @property
    def meaning(self) -> str:
        """What it means and what to do, in words."""
        return WORDS.get(self.kind, self.kind)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login that is made in the tenant's own database."""

    user: str
    password: SecretStr = field(repr=False)
    reader: str


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, and the one that takes it back; "" when another one's undoing does."""

    statement: str = field(repr=False)
    undo: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Crossing:
    """What was tried as the login, and which of it brought something."""

    tried: tuple[str, ...]
    crossed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Protected:
    """
    What was, or would be, done. It stands only if ``problems`` is empty and nothing ``crossed``.

    ``statements`` have no password. ``with_others`` counts the tables in which whoever protects saw
    rows of somebody else: where there are none, trying to read them shows little.
    """

    statements: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    crossing: Crossing | None = None
    with_others: int = 0
    applied: bool = False
