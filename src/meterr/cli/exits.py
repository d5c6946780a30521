"""What the exit status says. It is API: scripts and CI gates read it."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses of every command; ``meterr help exit-codes`` prints them."""

    OK = 0
    FAILED = 1
    USAGE = 2  # the command line or the configuration is wrong
    FINDINGS = 3  # a check ran and found something
    ASKED_BACK = 4  # the question can mean several things; say which
    INTERRUPTED = 130
