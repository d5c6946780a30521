"""Usage from the bytes of answers, and the few facts we read from the bytes of requests."""

from meterr.gateway.metering.answer import decoded, read_answer
from meterr.gateway.metering.injection import inject_include_usage, inject_output_bound
from meterr.gateway.metering.reading import IMPLAUSIBLE, MISSING, PARTIAL, UNREADABLE, Reading
from meterr.gateway.metering.request import RequestFacts, read_request
from meterr.gateway.metering.stream import StreamMeter

__all__ = [
    "IMPLAUSIBLE",
    "MISSING",
    "PARTIAL",
    "UNREADABLE",
    "Reading",
    "RequestFacts",
    "StreamMeter",
    "decoded",
    "inject_include_usage",
    "inject_output_bound",
    "read_answer",
    "read_request",
]
