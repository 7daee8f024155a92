# SPDX-License-Identifier: Apache-2.0
"""The accounts' users, roles, access keys and sessions."""

from __future__ import annotations

import secrets
import string
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ..iam.policy import Policy
from .principals import Account, Credentials, Principal, Role, Session, User

_KEY_ALPHABET = string.ascii_uppercase + "234567"
_MAX_SESSIONS = 5000  # those of AssumeRole that are kept; the oldest are dropped
_REVOCATION = "AWSRevokeOlderSessions"


class UnknownName(ValueError):
    """No user, role or session has the name, or several have it."""


class Directory:
    """Everyone who can call the APIs."""

    def __init__(self) -> None:
        self.accounts: Dict[str, Account] = {}
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

    def credentials_of(self, name: str) -> Credentials:
        """An access key of the user or session with this name. Raises UnknownName."""
        principal = self.find(name)
        if isinstance(principal, Role):
            raise UnknownName(f"{name}: a role has no access key. Name one of its sessions, or use sts assume-role.")
        of_it = [one for one in self._credentials.values() if one.principal is principal]
        if not of_it:
            raise UnknownName(f"{name}: has no access key. Add one to the world file.")
        return of_it[-1]

    def find(self, name: str) -> Union[User, Role, Session]:
        """The user (`alice`), role (`Operators`) or session (`Operators/alice`) with this name, or with this ARN.

        `123456789012/alice` names the account too. Raises UnknownName.
        """
        found = [one for one, names in self._named() if name in names]
        if len(found) > 1 and all(isinstance(one, Session) for one in found):
            return found[-1]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownName(f"{name}: {len(found)} have this name. Use ACCOUNT/{name} or an ARN.")
        everyone: List[Union[User, Role]] = [*self.users, *self.roles]
        known = sorted({one.name for one in everyone})
        raise UnknownName(f"{name}: no such user, role or session. Use one of: {', '.join(known)}.")

    def principal(self, name: str) -> Principal:
        """As `find`, without roles, which call nothing themselves. Raises UnknownName."""
        found = self.find(name)
        if isinstance(found, Role):
            raise UnknownName(f"{name}: is a role. Name one of its sessions: {name}/SESSION.")
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
        """Attach a policy to a user or role; one with the same name is replaced. Raises UnknownName."""
        self._holder(name).policies[policy.name] = policy

    def detach(self, name: str, policy: str) -> None:
        """Detach a policy from a user or role. Raises UnknownName."""
        holder = self._holder(name)
        if policy not in holder.policies:
            attached = ", ".join(holder.policies) or "none"
            raise UnknownName(f"{name}: has no policy {policy!r}. Attached: {attached}.")
        del holder.policies[policy]

    def revoke_sessions(self, name: str, policy: Policy) -> None:
        """Deny everything to the sessions of a role that began so far, as IAM's console does. Raises UnknownName.

        `policy` denies all requests whose aws:TokenIssueTime is before now.
        """
        role = self.find(name)
        if isinstance(role, Session):
            role = role.role
        if isinstance(role, User):
            raise UnknownName(f"{name}: is a user. Name a role.")
        role.policies[_REVOCATION] = policy

    def _holder(self, name: str) -> Union[User, Role]:
        found = self.find(name)
        return found.role if isinstance(found, Session) else found


def unique_id(prefix: str) -> str:
    """A new id of IAM: 4 letters for the kind of thing, 16 random ones (IAM User Guide, "Unique identifiers")."""
    return prefix + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
