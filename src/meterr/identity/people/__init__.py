"""People: accounts, memberships and the claims by which they begin. See README.md."""

from meterr.identity.people.email import read_email
from meterr.identity.people.membership import remove_member, set_role
from meterr.identity.people.model import Member, NewClaim, Operator, Person, RoleChange, User
from meterr.identity.people.service import (
    disable_user,
    enable_user,
    find_person,
    invite_user,
    list_members,
    list_users,
)

__all__ = [
    "Member",
    "NewClaim",
    "Operator",
    "Person",
    "RoleChange",
    "User",
    "disable_user",
    "enable_user",
    "find_person",
    "invite_user",
    "list_members",
    "list_users",
    "read_email",
    "remove_member",
    "set_role",
]
