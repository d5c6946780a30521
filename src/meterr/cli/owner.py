"""Who answers for a key, as people write it: a name, or the e-mail address of a member."""

from meterr.cli.context import open_database
from meterr.core.db import Role
from meterr.core.errors import Invalid, NotFound
from meterr.core.settings import Settings
from meterr.identity.people import User, read_email
from meterr.identity.people.model import UserState
from meterr.identity.people.service import find_user


def owner_name(text: str) -> str:
    """Return the one spelling of an owner: an address as accounts have it, a name as it is."""
    return read_email(text).canonical if "@" in text else text


async def owner_account(settings: Settings, text: str) -> User | None:
    """
    Return the account that an address stands for; None for a name, which stands for nobody.

    Raises Invalid, with the way out, for an address without an account that is active: a key that
    seems to be somebody's and does not go with them would be worse than none.
    """
    if "@" not in text:
        return None
    try:
        async with open_database(settings, Role.IDENTITY) as db:
            user = await find_user(db, text)
    except NotFound:
        raise Invalid(
            f"owner: nobody here has the address {text.strip()!r}. 'meterr user create' invites "
            "them; an owner that is only a name has no @.",
            param="owner",
        ) from None
    if user.state is not UserState.ACTIVE:
        raise Invalid(f"owner: {user.email} is disabled.", param="owner")
    return user
