# SPDX-License-Identifier: Apache-2.0
"""Policies, users, roles, access keys and sessions of a world file."""

from __future__ import annotations

import hashlib
import re
from typing import Dict, Optional, Sequence, Tuple

from ..cloud.directory import ID_ALPHABET, Directory
from ..cloud.principals import Account, Credentials, Role, Session, User
from ..cloud.text import listed
from ..iam.policy import Policy, parse, parse_trust
from .document import Fields, Value
from .policies import Policies

# Patterns of names, and what they are in words (IAM API Reference, CreateUser, CreatePolicy, AccessKey; AWS STS API
# Reference, AssumeRole).
_NAME = (r"[A-Za-z0-9+=,.@_-]{1,64}", "1 to 64 letters, digits and characters of +=,.@_-")
_POLICY_NAME = (r"[A-Za-z0-9+=,.@_-]{1,128}", "1 to 128 letters, digits and characters of +=,.@_-")
_SESSION_NAME = (r"[A-Za-z0-9+=,.@_-]{2,64}", "2 to 64 letters, digits and characters of +=,.@_-")
_KEY_ID = (r"[A-Z0-9]{16,128}", "16 to 128 capital letters and digits")
_SECRET = (r"[\x21-\x7e]{1,128}", "a secret of printable ASCII without spaces")
_TOKEN = (r"[\x21-\x7e]{1,4096}", "a token of printable ASCII without spaces")
_PATH = (r"/|/[\x21-\x7e]{1,510}/", "a path that begins and ends with /")
_MAX_POLICIES = 1500  # customer managed policies of an account (IAM User Guide, "IAM and AWS STS quotas")


class Identities:
    """Fills a directory. `now` is in seconds since the epoch; `folder` has the files that the world file names."""

    def __init__(self, folder: str, now: float) -> None:
        self.directory = Directory()
        self._policies = Policies(folder)
        self._now = now

    def add_policy(self, name: str, value: Value) -> None:
        """A policy that users and roles can name."""
        _require_name(value, name, _POLICY_NAME)
        if len(self.directory.policies) >= _MAX_POLICIES:
            value.fail("too many policies", f"Use at most {_MAX_POLICIES}.")
        self.directory.policies[name] = self._policies.policy(value, name, parse)

    def add_user(self, account: Account, name: str, value: Value) -> None:
        """A user with their access keys."""
        _require_name(value, name, _NAME)
        fields = value.fields("path", "access_keys", "tags", "policies")
        user = User(
            account,
            name,
            _stable_id("AIDA", account.id, name),
            fields.read("path", "/", lambda path: path.text(*_PATH)),
            tags(fields),
            self._attached(fields.items("policies")),
        )
        self.directory.users.append(user)
        for key_id, secret in fields.entries("access_keys"):
            self._add_key(secret, Credentials(key_id, secret.text(*_SECRET), user))

    def add_role(self, account: Account, name: str, value: Value) -> None:
        """A role with its sessions."""
        _require_name(value, name, _NAME)
        fields = value.fields("path", "trust", "max_session_duration", "tags", "policies", "sessions")
        role = Role(
            account,
            name,
            _stable_id("AROA", account.id, name),
            self._trust(account, name, fields.get("trust")),
            fields.read("path", "/", lambda path: path.text(*_PATH)),
            fields.read("max_session_duration", 3600, lambda span: span.number(range(3600, 43201))),
            tags(fields),
            self._attached(fields.items("policies")),
        )
        self.directory.roles.append(role)
        for session_name, session in fields.entries("sessions"):
            self._add_session(role, session_name, session)

    def _trust(self, account: Account, role: str, value: Optional[Value]) -> Policy:
        name = f"trust policy of {role}"
        if value is None:
            return parse_trust(_trust_of_account(account), name)
        return self._policies.policy(value, name, parse_trust)

    def _add_session(self, role: Role, name: str, value: Value) -> None:
        _require_name(value, name, _SESSION_NAME)
        fields = value.fields("access_key", "secret", "token", "expires_in", "tags")
        key, secret, token = (fields.required(required) for required in ("access_key", "secret", "token"))
        lifetime = fields.read("expires_in", 43200.0, lambda span: span.seconds(10**8))
        own = tuple(tags(fields).items())
        session = Session(role, name, self._now, self._now + lifetime, own)
        self._add_key(key, Credentials(key.text(), secret.text(*_SECRET), session, token.text(*_TOKEN)))

    def _add_key(self, value: Value, credentials: Credentials) -> None:
        _require_name(value, credentials.access_key_id, _KEY_ID)
        if self.directory.credentials(credentials.access_key_id) is not None:
            value.fail(f"the access key {credentials.access_key_id} is given twice", "Use another id.")
        self.directory.add(credentials)

    def _attached(self, items: Sequence[Value]) -> Dict[str, Policy]:
        """Named ones, and those that are written out where they are used."""
        found: Dict[str, Policy] = {}
        for number, item in enumerate(items, start=1):
            if item.is_mapping():
                policy = self._policies.policy(item, f"policy {number}", parse)
            else:
                name = item.text()
                if name not in self.directory.policies:
                    known = listed(self.directory.policies)
                    item.fail(f"unknown policy ({name[:64]!r})", f"Add it to `policies`, which has: {known}.")
                policy = self.directory.policies[name]
            found[policy.name] = policy
        return found


def tags(fields: Fields) -> Dict[str, str]:
    """The tags among the fields of a resource or identity: keys and values of text."""
    found: Dict[str, str] = {}
    for key, text in fields.entries("tags"):
        if not 1 <= len(key) <= 128:
            text.fail("the tag's key does not have 1 to 128 characters", "Use another key.")
        found[key] = "" if text.is_null() else text.text(".{0,256}", "printable text of at most 256 characters")
    return found


def _require_name(value: Value, name: str, form: Tuple[str, str]) -> None:
    pattern, words = form
    if not re.fullmatch(pattern, name):
        value.fail(f"invalid name ({name[:64]!r})", f"Use {words}.")


def _trust_of_account(account: Account) -> Dict[str, object]:
    """The trust policy of a role that has none in the world file: its account's users may assume it."""
    principal = f"arn:{account.partition}:iam::{account.id}:root"
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _stable_id(prefix: str, account: str, name: str) -> str:
    """An id in IAM's form that is the same at each start."""
    digest = hashlib.sha256(f"{prefix} {account} {name}".encode()).digest()
    return prefix + "".join(ID_ALPHABET[byte % 32] for byte in digest[:16])
