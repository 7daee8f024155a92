# SPDX-License-Identifier: Apache-2.0
"""The users, roles, access keys and sessions of all accounts."""

from __future__ import annotations

import secrets
import string
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ..iam.policy import Policy
from .principals import Credentials, Principal, Role, Session, User
from .text import listed, shown

ID_ALPHABET = string.ascii_uppercase + "234567"  # of the ids that IAM makes
_MAX_SESSIONS = 5000  # those of AssumeRole that are kept; the oldest are dropped
_MAX_POLICIES = 100  # of a user or role


class UnknownName(ValueError):
    """No user, role or session has the name, or several have it; or none of the right kind, or with the access key."""


class TooManyPolicies(ValueError):
    """A user or role has as many policies as the sandbox keeps."""


class Directory:
    """Who can call the APIs, with which access keys, and the policies that can be attached."""

    def __init__(self) -> None:
        self.users: List[User] = []
        self.roles: List[Role] = []
        self.policies: Dict[str, Policy] = {}
        self._credentials: Dict[str, Credentials] = {}
        self._assumed: List[str] = []  # the access keys of sessions that AssumeRole made, oldest first

    def add(self, credentials: Credentials) -> None:
        """Add an access key."""
        self._credentials[credentials.access_key_id] = credentials

    def credentials(self, access_key_id: str) -> Optional[Credentials]:
        """The access key with this id; None if there is none."""
        return self._credentials.get(access_key_id)

    def first_user(self) -> User:
        """The first user of the world. Raises UnknownName."""
        if not self.users:
            raise UnknownName("the world has no user. Name a session: ROLE/SESSION.")
        return self.users[0]

    def credentials_of(self, principal: Union[User, Role, Session]) -> Credentials:
        """The newest access key of a user or session. Raises UnknownName."""
        if isinstance(principal, Role):
            problem = "a role has no access key. Name one of its sessions, or use sts assume-role."
            raise UnknownName(f"{principal.arn}: {problem}")
        of_it = [one for one in self._credentials.values() if one.principal is principal]
        if not of_it:
            raise UnknownName(f"{principal.arn}: no access key. Add one to the world file.")
        return of_it[-1]

    def find(self, name: str) -> Union[User, Role, Session]:
        """The user (`alice`), role (`Operators`) or session (`Operators/alice`) with this name, or with this ARN.

        `123456789012/alice` names the account too. Of sessions with the same ARN, the newest is returned. Raises
        UnknownName.
        """
        found = [one for one, names in self._named() if name in names]
        if not found:
            everyone: List[Union[User, Role]] = [*self.users, *self.roles]
            known = listed(sorted({one.name for one in everyone}))
            raise UnknownName(f"{shown(name)}: no such user, role or session. Use one of: {known}.")
        arns = {one.arn: one for one in found}
        if len(arns) > 1:
            raise UnknownName(f"{shown(name)}: {len(arns)} have this name. Use one of: {listed(arns)}.")
        return arns.popitem()[1]

    def principal(self, name: str) -> Principal:
        """As `find`, without roles, which call nothing themselves. Raises UnknownName."""
        found = self.find(name)
        if isinstance(found, Role):
            raise UnknownName(f"{shown(name)}: a role. Name one of its sessions: {shown(name)}/SESSION.")
        return found

    def _named(self) -> Iterator[Tuple[Union[User, Role, Session], Sequence[str]]]:
        everyone: List[Union[User, Role]] = [*self.users, *self.roles]
        for one in everyone:
            yield one, (one.name, f"{one.account.id}/{one.name}", one.arn)
        for session in self.sessions():
            short = f"{session.role.name}/{session.name}"
            yield session, (short, f"{session.account.id}/{short}", session.arn)

    def sessions(self) -> List[Session]:
        """Every session that has an access key."""
        return [one.principal for one in self._credentials.values() if isinstance(one.principal, Session)]

    def role(self, arn: str) -> Optional[Role]:
        """The role with this ARN; None if there is none."""
        return next((role for role in self.roles if role.arn == arn), None)

    def begin_session(self, session: Session) -> Credentials:
        """New credentials for a session."""
        while len(self._assumed) >= _MAX_SESSIONS:
            self._credentials.pop(self._assumed.pop(0), None)
        made = Credentials(unique_id("ASIA"), secrets.token_urlsafe(30), session, secrets.token_urlsafe(96))
        self._assumed.append(made.access_key_id)
        self.add(made)
        return made

    def attach(self, name: str, policy: Policy) -> None:
        """Attach a policy to a user or role; one with the same name is replaced.

        Raises UnknownName, TooManyPolicies.
        """
        holder = self._holder(name)
        if policy.name not in holder.policies and len(holder.policies) >= _MAX_POLICIES:
            raise TooManyPolicies(f"{holder.arn}: has {_MAX_POLICIES} policies. Detach one.")
        holder.policies[policy.name] = policy

    def detach(self, name: str, policy: str) -> None:
        """Detach a policy from a user or role. Raises UnknownName."""
        holder = self._holder(name)
        if policy not in holder.policies:
            attached = listed(holder.policies)
            raise UnknownName(f"{holder.arn}: no policy {shown(policy)} is attached. Attached: {attached}.")
        del holder.policies[policy]

    def revoke_sessions(self, name: str, policy: Policy) -> None:
        """Attach `policy`, which denies everything to the sessions that began so far, to a role. Raises UnknownName.

        The role is named by itself or by one of its sessions. IAM User Guide, "Revoke IAM role temporary security
        credentials": the console does the same.
        """
        holder = self._holder(name)
        if isinstance(holder, User):
            raise UnknownName(f"{shown(name)}: a user. Name a role.")
        holder.policies[policy.name] = policy

    def _holder(self, name: str) -> Union[User, Role]:
        found = self.find(name)
        return found.role if isinstance(found, Session) else found


def unique_id(prefix: str) -> str:
    """A new id of IAM: 4 letters for the kind of thing, 16 random ones (IAM User Guide, "Unique identifiers")."""
    return prefix + "".join(secrets.choice(ID_ALPHABET) for _ in range(16))
