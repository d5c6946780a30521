"""What is known of keys by their use: when, by whom after a rotation, and under which pepper."""

from meterr.identity.uses.diary import Diary
from meterr.identity.uses.keeper import DiaryKeeper
from meterr.identity.uses.model import CallerRecord
from meterr.identity.uses.service import list_callers

__all__ = ["CallerRecord", "Diary", "DiaryKeeper", "list_callers"]
