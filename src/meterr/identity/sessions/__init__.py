"""Sessions: signing in, staying signed in, and ending it everywhere at once. See README.md."""

from meterr.identity.sessions.authority import Authority
from meterr.identity.sessions.cookies import Cookies, CookiesRefused
from meterr.identity.sessions.errors import ChallengeRefused, SessionRefused, SessionUnverifiable
from meterr.identity.sessions.issuer import Issuer
from meterr.identity.sessions.model import Grant, Lifetimes, MustEnrol, NeedsFactor, SessionClient
from meterr.identity.sessions.service import Sessions
from meterr.identity.sessions.sign_in import SignIn
from meterr.identity.sessions.signing_keys import SigningKeys

__all__ = [
    "Authority",
    "ChallengeRefused",
    "Cookies",
    "CookiesRefused",
    "Grant",
    "Issuer",
    "Lifetimes",
    "MustEnrol",
    "NeedsFactor",
    "SessionClient",
    "SessionRefused",
    "SessionUnverifiable",
    "Sessions",
    "SignIn",
    "SigningKeys",
]
