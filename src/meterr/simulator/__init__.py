"""A provider that answers offline, in both dialects, with exact usage."""

from meterr.simulator.app import create_app
from meterr.simulator.credentials import digest
from meterr.simulator.steering import FIELDS

__all__ = ["FIELDS", "create_app", "digest"]
