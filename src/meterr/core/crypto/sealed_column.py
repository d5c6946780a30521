"""Which columns hold sealed values. Rooms name theirs, ``app`` puts the list together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """
    A column of sealed values in a tenant's table of the schema ``meterr``.

    The table has a ``tenant_id`` that leads its primary key, ``keys`` are the rest of that key in
    order (uuid, text or whole numbers, whose text PostgreSQL writes in one way only), and
    ``version_column`` is generated from the sealed value and refers to
    ``data_key (tenant_id, live_version)``.
    """

    table: str
    column: str
    keys: tuple[str, ...]

    @property
    def version_column(self) -> str:
        """Name of the generated column with the data key's version."""
        return f"{self.column}_key_version"
