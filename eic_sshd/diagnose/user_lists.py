# SPDX-License-Identifier: Apache-2.0
"""AllowUsers, DenyUsers, AllowGroups and DenyGroups of sshd_config(5), for one login."""

from __future__ import annotations

from typing import FrozenSet, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..sshd.config_file import Line
from ..sshd.connections import is_in_network, is_pattern_match
from ..sshd.program import Settings
from .finding import Finding, error, unknown
from .login_facts import Account, LoginFacts
from .sshd_commands import is_plain_path, is_plain_word


class _List(NamedTuple):
    """A setting that lists who may log in: the code of its finding, and its name."""

    code: str
    name: str


_LISTS = {
    "denyusers": _List("user-denied", "DenyUsers"),
    "allowusers": _List("user-not-listed", "AllowUsers"),
    "denygroups": _List("group-denied", "DenyGroups"),
    "allowgroups": _List("group-not-listed", "AllowGroups"),
}


def findings(facts: LoginFacts, account: Account) -> Iterator[Finding]:
    """The lists that deny the login, in sshd's order (auth.c, allowed_user)."""
    lists = {keyword: _values(facts.settings, keyword) for keyword in _LISTS}
    for keyword, is_allowed, names in (
        ("denyusers", False, None),
        ("allowusers", True, None),
        ("denygroups", False, account.groups),
        ("allowgroups", True, account.groups),
    ):
        patterns = lists[keyword]
        if not patterns:
            continue
        matched = _user_matches(facts, patterns) if names is None else _group_matches(names, patterns)
        if matched is None:
            yield unknown("address-needed", facts.user, f"{_LISTS[keyword].name} depends on the address", "Add --addr")
        elif matched is not is_allowed:
            yield _denied(facts, keyword, patterns)


def _denied(facts: LoginFacts, keyword: str, patterns: Sequence[str]) -> Finding:
    code, name = _LISTS[keyword]
    shown = f"{name} {' '.join(patterns)}"
    line = next((line for line in facts.lines if line.keyword == keyword and line.match is None), None)
    subject = line.place if line else facts.user
    if keyword.startswith("allow"):
        remedy = f"Add the user or a group of it to {name}"
        if line is not None and keyword == "allowusers" and _may_be_extended(line, facts.user):
            remedy = f"Run `sed -i '{line.number}s/$/ {facts.user}/' {line.file} && {facts.reload}`"
        return error(code, subject, f"it does not allow {facts.user} ({shown})", remedy)
    return error(code, subject, f"it denies {facts.user} ({shown})", "Remove what matches, and reload sshd")


def _may_be_extended(line: Line, user: str) -> bool:
    """Whether a name can be appended to the line by sed: nothing in it has a meaning to sed or to a shell."""
    return is_plain_word(user) and is_plain_path(line.file) and "#" not in line.value and '"' not in line.value


def _user_matches(facts: LoginFacts, patterns: Sequence[str]) -> Optional[bool]:
    """Whether one of `patterns` (USER or USER@HOST) matches the login; None if that depends on an unknown address."""
    result: Optional[bool] = False
    for pattern in patterns:
        name, at, host = pattern.rpartition("@")
        if not is_pattern_match(facts.user, name if at else pattern):
            continue
        if not at or (facts.address is not None and is_in_network(facts.address, host)):
            return True
        if facts.address is None:
            result = None
    return result


def _group_matches(groups: FrozenSet[str], patterns: Sequence[str]) -> bool:
    return any(is_pattern_match(group, pattern) for group in groups for pattern in patterns)


def _values(settings: Settings, keyword: str) -> List[str]:
    pairs: List[Tuple[str, str]] = [pair for pair in settings if pair[0] == keyword]
    return [word for _, value in pairs for word in value.split()]
