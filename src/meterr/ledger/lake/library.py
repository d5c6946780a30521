"""Where the export's file format comes from."""

from importlib.util import find_spec
from pkgutil import resolve_name

from meterr.core.errors import OperatorError
from meterr.ledger.lake.model import Format

_LIBRARY = "pyarrow"


def parquet_format() -> Format:
    """
    Return the Parquet format.

    Loaded by name, here and only here: its library is an extra, larger than all else that
    meterr needs, and no other command may miss it. Raises OperatorError when it is missing.
    """
    if find_spec(_LIBRARY) is None:
        raise OperatorError(
            "the ledger export needs the extra 'lake'. Run: pip install 'meterr[lake]'"
        )
    format_: Format = resolve_name("meterr.ledger.lake.parquet:Parquet")()
    return format_
