"""A provider's own bill against the ledger. See README.md."""

from meterr.ledger.reconcile.amount import tolerance_of
from meterr.ledger.reconcile.model import BillFile, Form, Question, Reconciliation, Row, Tolerance
from meterr.ledger.reconcile.service import reconcile

__all__ = [
    "BillFile",
    "Form",
    "Question",
    "Reconciliation",
    "Row",
    "Tolerance",
    "reconcile",
    "tolerance_of",
]
