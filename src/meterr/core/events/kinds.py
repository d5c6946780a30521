"""Every kind of security event, and what each one says. Closed: nothing else is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

TIMES: Final = "times"
OTHERS: Final = "others"
OF_REPORTS: Final = frozenset({TIMES, OTHERS})
"""Details that any reported event may have: how often it happened, and that it stands for many."""


class Severity(StrEnum):
    """How much it matters by itself; in rising order."""

    INFO = "info"  # what is done every day, on record
    WARNING = "warning"  # somebody should see it in a list
    CRITICAL = "critical"  # somebody should look now


class Outcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"  # a part of meterr could not do what it should


class Kind(StrEnum):
    """What happened, as ``subject.action``. A name never changes its meaning."""

    KEY_CREATED = "key.created"
    KEY_CHANGED = "key.changed"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    KEY_LEAKED = "key.leaked"
    KEY_EMERGENCY = "key.emergency"
    KEY_DUE = "key.due"
    KEY_CODES_ISSUED = "key.codes_issued"
    KEY_POLICY_CHANGED = "key.policy_changed"
    KEY_MALFORMED = "key.malformed"
    KEY_UNKNOWN = "key.unknown"
    KEY_REFUSED = "key.refused"
    SIGN_IN_SUCCEEDED = "sign_in.succeeded"
    SIGN_IN_NEW_NETWORK = "sign_in.new_network"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_IN_PAUSED = "sign_in.paused"
    SESSION_REUSED = "session.reused"
    SESSION_ENDED = "session.ended"
    FACTOR_ADDED = "factor.added"
    FACTOR_REMOVED = "factor.removed"
    FACTOR_RECOVERY_USED = "factor.recovery_used"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 (the name of an event)
    PASSWORD_REHASHED = "password.rehashed"  # noqa: S105 (the name of an event)
    PASSWORD_RESET_ISSUED = "password.reset_issued"  # noqa: S105 (the name of an event)
    MEMBER_INVITED = "member.invited"
    MEMBER_JOINED = "member.joined"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    MEMBER_REMOVED = "member.removed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    BREAK_GLASS_USED = "break_glass.used"
    ACCESS_DENIED = "access.denied"
    TENANT_CREATED = "tenant.created"
    TENANT_CHANGED = "tenant.changed"
    LIMIT_CHANGED = "limit.changed"
    PRICE_CHANGED = "price.changed"
    CREDENTIAL_CHANGED = "credential.changed"
    CREDENTIAL_REMOVED = "credential.removed"
    CREDENTIAL_UNDECRYPTABLE = "credential.undecryptable"
    SOURCE_ADDED = "source.added"
    SOURCE_PROTECTED = "source.protected"
    SOURCE_FAILED = "source.failed"
    SOURCE_CHANGED = "source.changed"
    SOURCE_REMOVED = "source.removed"
    KEYRING_ROTATED = "keyring.rotated"
    SIGNING_KEY_ROTATED = "signing_key.rotated"
    REQUEST_WRONG_HOST = "request.wrong_host"
    REQUEST_CROSS_ORIGIN = "request.cross_origin"
    OUTBOUND_REFUSED = "outbound.refused"
    LEAK_REPORT_REFUSED = "leak_report.refused"
    SECRET_READ = "secret.read"  # noqa: S105 (the name of an event)
    SECRET_UNAVAILABLE = "secret.unavailable"  # noqa: S105 (the name of an event)
    QUERY_RAN = "query.ran"
    QUERY_REFUSED = "query.refused"
    QUERY_LIMITED = "query.limited"
    EVENTS_LOST = "events.lost"

    @property
    def subject(self) -> str:
        """What it is about: the part before the dot."""
        return self.value.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What a kind says.

    Args:
        means: One sentence for people.
        severity: How much it matters.
        details: The names that its ``detail`` may have.
        reported: It has no transaction to be part of: it is coalesced and written a moment later.
    """

    means: str
    severity: Severity = Severity.INFO
    details: tuple[str, ...] = ()
    outcome: Outcome = Outcome.DONE
    reported: bool = False


def _reported(
    means: str,
    severity: Severity,
    *details: str,
    outcome: Outcome = Outcome.REFUSED,
) -> Entry:
    return Entry(means, severity, details, outcome, reported=True)


_QUESTION: Final = ("code", "reason", "tier", "sql_sha256")

CATALOGUE: Final[Mapping[Kind, Entry]] = MappingProxyType(
    {
        Kind.KEY_CREATED: Entry("An API key was made."),
        Kind.KEY_CHANGED: Entry("The terms of a key were changed.", details=("terms",)),
        Kind.KEY_ROTATED: Entry("A key got its successor.", details=("way", "successor")),
        Kind.KEY_REVOKED: Entry("A key was revoked."),
        Kind.KEY_LEAKED: Entry(
            "A key was found where it does not belong; if it still counted, it was revoked.",
            Severity.CRITICAL,
            ("occurrences", "was_active"),
        ),
        Kind.KEY_EMERGENCY: Entry(
            "Every key of the tenant was ended at once.",
            Severity.CRITICAL,
            ("emergency", "keys", "codes"),
        ),
        Kind.KEY_DUE: Entry(
            "Keys have become too old by policy; their owners have a while.", details=("keys",)
        ),
        Kind.KEY_CODES_ISSUED: Entry(
            "Codes were made with which others collect successors of keys.",
            Severity.WARNING,
            ("codes",),
        ),
        Kind.KEY_POLICY_CHANGED: Entry("How old keys may get was changed.", details=("ended",)),
        Kind.KEY_MALFORMED: _reported(
            "Something that is no key of ours was shown as one.", Severity.INFO, "reason"
        ),
        Kind.KEY_UNKNOWN: _reported(
            "A well-formed key that nobody has was shown.", Severity.WARNING
        ),
        Kind.KEY_REFUSED: _reported(
            "A key that exists was shown and does not count: revoked, expired, or not from there.",
            Severity.WARNING,
            "reason",
        ),
        Kind.SIGN_IN_SUCCEEDED: Entry("Somebody signed in.", details=("session", "factor")),
        Kind.SIGN_IN_NEW_NETWORK: Entry(
            "Somebody signed in, or went on with a session, from a network new to the account.",
            Severity.WARNING,
            ("session",),
        ),
        Kind.SIGN_IN_FAILED: _reported(
            "A password, factor, passkey, one-time code or link was refused.",
            Severity.WARNING,
            "reason",
            "code",
        ),
        Kind.SIGN_IN_PAUSED: _reported(
            "Attempts to sign in have filled a limit and have to wait.", Severity.WARNING, "limits"
        ),
        Kind.SESSION_REUSED: Entry(
            "A refresh token was used a second time: two have it. Its session was ended.",
            Severity.CRITICAL,
        ),
        Kind.SESSION_ENDED: Entry("Somebody else ended a session."),
        Kind.FACTOR_ADDED: Entry("A second factor was added.", Severity.WARNING, ("factor",)),
        Kind.FACTOR_REMOVED: Entry(
            "A second factor was taken away.", Severity.WARNING, ("factor",)
        ),
        Kind.FACTOR_RECOVERY_USED: Entry("A recovery code was used.", Severity.WARNING, ("left",)),
        Kind.PASSWORD_CHANGED: Entry("A password was set or changed.", Severity.WARNING),
        Kind.PASSWORD_REHASHED: Entry(
            "A password was hashed anew by other parameters, at a sign-in with it."
        ),
        Kind.PASSWORD_RESET_ISSUED: Entry(
            "A link was made with which a person sets a new password.", Severity.WARNING
        ),
        Kind.MEMBER_INVITED: Entry("A person was invited.", details=("role",)),
        Kind.MEMBER_JOINED: Entry("A person took up an invitation.", details=("role",)),
        Kind.MEMBER_ROLE_CHANGED: Entry(
            "A member has another role.", Severity.WARNING, ("before", "after")
        ),
        Kind.MEMBER_REMOVED: Entry("A member was removed.", details=("before",)),
        Kind.USER_DISABLED: Entry("An account was disabled everywhere.", Severity.WARNING),
        Kind.USER_ENABLED: Entry("A disabled account may sign in again.", Severity.WARNING),
        Kind.BREAK_GLASS_USED: Entry(
            "A super_admin acted by that role, and said what for.",
            Severity.WARNING,
            ("permission", "reason"),
        ),
        Kind.ACCESS_DENIED: _reported(
            "Somebody who is signed in asked for what is not theirs.",
            Severity.INFO,
            "code",
            "route",
        ),
        Kind.TENANT_CREATED: Entry("A tenant was made."),
        Kind.TENANT_CHANGED: Entry("A tenant was changed.", details=("state",)),
        Kind.LIMIT_CHANGED: Entry(
            "A budget or limit was set, changed or ended.",
            details=("limit", "measure", "amount", "hard", "ended"),
        ),
        Kind.PRICE_CHANGED: Entry("A price of one's own was set.", details=("override",)),
        Kind.CREDENTIAL_CHANGED: Entry("The credential for a provider was stored."),
        Kind.CREDENTIAL_REMOVED: Entry("A stored credential for a provider was removed."),
        Kind.CREDENTIAL_UNDECRYPTABLE: _reported(
            "Something stored encrypted cannot be read: moved, changed, or its key is missing.",
            Severity.CRITICAL,
            "reason",
            outcome=Outcome.FAILED,
        ),
        Kind.SOURCE_ADDED: Entry("A database of a tenant's own was named as a source."),
        Kind.SOURCE_PROTECTED: Entry("A login was made in a source; it saw its own rows alone."),
        Kind.SOURCE_FAILED: Entry(
            "A check of a source found what its login could do beyond reading its rows.",
            Severity.CRITICAL,
            ("holes",),
        ),
        Kind.SOURCE_CHANGED: Entry(
            "What is kept of a source is another: its address, its tables, or that nothing failed."
        ),
        Kind.SOURCE_REMOVED: Entry("A source was forgotten."),
        Kind.KEYRING_ROTATED: Entry(
            "A key-encryption key was taken up, or is not needed any more.",
            Severity.WARNING,
            ("step",),
        ),
        Kind.SIGNING_KEY_ROTATED: Entry(
            "Access tokens are signed with another key.", Severity.WARNING
        ),
        Kind.REQUEST_WRONG_HOST: _reported(
            "A request named a host that meterr does not serve.", Severity.WARNING
        ),
        Kind.REQUEST_CROSS_ORIGIN: _reported(
            "Another site's page tried to make a browser act here.", Severity.WARNING, "reason"
        ),
        Kind.OUTBOUND_REFUSED: _reported(
            "meterr was to connect to an address that it must not reach.",
            Severity.WARNING,
            "reason",
        ),
        Kind.LEAK_REPORT_REFUSED: _reported(
            "A report of leaked keys was not signed as it should be.", Severity.WARNING, "reason"
        ),
        Kind.SECRET_READ: _reported(
            "A secret was read from where it is kept.",
            Severity.INFO,
            "who",
            outcome=Outcome.DONE,
        ),
        Kind.SECRET_UNAVAILABLE: _reported(
            "A secret could not be read, or only an old one was to be had.",
            Severity.WARNING,
            "who",
            "reason",
            outcome=Outcome.FAILED,
        ),
        Kind.QUERY_RAN: Entry("A question about a tenant's data was answered.", details=_QUESTION),
        Kind.QUERY_REFUSED: Entry(
            "A question about a tenant's data was refused, or ended without an answer.",
            details=_QUESTION,
            outcome=Outcome.REFUSED,
        ),
        Kind.QUERY_LIMITED: _reported(
            "Questions were refused unread: more than one may ask in a minute.", Severity.INFO
        ),
        Kind.EVENTS_LOST: _reported(
            "Reports could not be written and are gone.", Severity.WARNING, outcome=Outcome.FAILED
        ),
    }
)
"""The one table. A test holds it to the enum, and to what the code really records."""
