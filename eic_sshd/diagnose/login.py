# SPDX-License-Identifier: Apache-2.0
"""Why one user's login would be refused although eic-sshd grants the pushed key (sshd_config(5), shadow(5), pam(8))."""

from __future__ import annotations

from typing import FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..decide import checks
from ..model.reasons import NotGranted
from ..sshd.config_file import Line
from ..sshd.connections import is_in_network, is_pattern_match
from ..sshd.drop_in import is_ours
from ..sshd.program import Settings, in_force
from .finding import Finding, error, ok, unknown, warning
from .obstacles import obstacles
from .sshd_commands import is_plain_path, is_plain_word


class Account(NamedTuple):
    """The user's account.

    `groups` are the names of all of its groups. `shell_problem` is why sshd would refuse the login shell, empty if it
    would not. `expires` is the last day of the account in days since the epoch; None if it has no end. `must_change`
    says that the password has to be changed at the next login, `is_locked` that it is locked.
    """

    name: str
    uid: int
    login_shell: str
    groups: FrozenSet[str]
    shell_problem: str = ""
    expires: Optional[int] = None
    must_change: bool = False
    is_locked: bool = False


class LoginFacts(NamedTuple):
    """One login: `settings` are those of `sshd -T` for it, `lines` those of the files that set who may log in.

    `account` is None if there is no such user. `address` is the client's, None if it is not known. `today` is in days
    since the epoch. `nologin` is the file that denies all logins, empty if there is none. `reload` reloads sshd.
    """

    user: str
    address: Optional[str]
    account: Optional[Account]
    settings: Settings
    types: FrozenSet[str]
    today: int
    nologin: str = ""
    lines: Sequence[Line] = ()
    reload: str = "systemctl reload ssh.service"


def findings(facts: LoginFacts) -> Iterator[Finding]:
    """What denies this login; a finding OK if nothing does."""
    found = list(_findings(facts))
    yield from found
    if not found:
        place = f" from {facts.address}" if facts.address else ""
        yield ok("login-possible", facts.user, f"nothing denies a login{place} with a pushed key")


def _findings(facts: LoginFacts) -> Iterator[Finding]:
    try:
        checks.require_user_name(facts.user)
    except NotGranted as refusal:
        yield error("user-name-invalid", facts.user, refusal.detail, refusal.reason.remedy.rstrip("."))
        return
    if facts.account is None:
        yield error("user-missing", facts.user, "there is no such user", "Use the name of an existing user")
        return
    yield from _command_problems(facts)
    yield from _setting_problems(facts)
    yield from _access_problems(facts, facts.account)
    yield from _account_problems(facts, facts.account)


def _command_problems(facts: LoginFacts) -> Iterator[Finding]:
    command = in_force(facts.settings).get("authorizedkeyscommand", "none")
    if not is_ours(command):
        yield error(
            "login-other-command",
            facts.user,
            f"for this login sshd runs another AuthorizedKeysCommand and not eic-sshd ({command})",
            "Remove that line from its Match block, then reload sshd",
        )


def _setting_problems(facts: LoginFacts) -> Iterator[Finding]:
    effective = in_force(facts.settings)
    for obstacle in obstacles(effective, facts.types):
        yield error(obstacle.code, facts.user, f"for this login {obstacle.problem}", obstacle.remedy)
    yield from second_factor(effective, facts.user)


def second_factor(effective: Mapping[str, str], subject: str) -> Iterator[Finding]:
    """A warning where a key alone does not log in (sshd_config(5), AuthenticationMethods)."""
    methods = effective.get("authenticationmethods", "any").lower()
    lists = [[method.partition(":")[0] for method in one.split(",")] for one in methods.split()]
    with_key = [one for one in lists if "publickey" in one]
    if methods != "any" and with_key and all(len(one) > 1 for one in with_key):
        yield warning(
            "second-factor",
            subject,
            f"a key alone does not log in: sshd asks for more (AuthenticationMethods {methods})",
            "Give the second factor too, or add a list of publickey alone",
        )


def _access_problems(facts: LoginFacts, account: Account) -> Iterator[Finding]:
    """In sshd's order (auth.c, allowed_user)."""
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
    yield from _root_problems(facts, account)


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


def _root_problems(facts: LoginFacts, account: Account) -> Iterator[Finding]:
    permitted = in_force(facts.settings).get("permitrootlogin", "prohibit-password").lower()
    if account.uid == 0 and permitted in ("no", "forced-commands-only"):
        yield error(
            "root-login-denied",
            facts.user,
            f"root may not log in with a pushed key (PermitRootLogin {permitted})",
            "Log in as another user and use sudo, or set PermitRootLogin prohibit-password",
        )


def _account_problems(facts: LoginFacts, account: Account) -> Iterator[Finding]:
    if account.shell_problem:
        yield error(
            "shell-unusable",
            facts.user,
            f"sshd refuses it because of its shell {account.login_shell} ({account.shell_problem})",
            f"Run `usermod --shell /bin/sh {facts.user}`",
        )
    uses_pam = in_force(facts.settings).get("usepam", "no").lower() == "yes"
    if account.is_locked and not uses_pam:
        yield error(
            "account-locked",
            facts.user,
            "the account is locked, and without UsePAM sshd then refuses keys too",
            f"Run `usermod --password '*' {facts.user}`",
        )
    if account.expires is not None and account.expires < facts.today:
        yield error(
            "account-expired",
            facts.user,
            f"it expired {facts.today - account.expires} days ago, so PAM refuses it after the key is granted",
            f"Run `chage --expiredate -1 {facts.user}`",
        )
    if account.must_change:
        yield warning(
            "password-expired",
            facts.user,
            "its password has expired, so the login asks for a new one, and a command without a terminal fails",
            f"Run `chage --maxdays -1 --lastday {facts.today} {facts.user}`",
        )
    if facts.nologin and account.uid != 0:
        yield error(
            "nologin",
            facts.nologin,
            "while this file exists, only root may log in (pam_nologin(8))",
            f"Run `rm {facts.nologin}`, unless the machine is shutting down",
        )


def _values(settings: Settings, keyword: str) -> List[str]:
    pairs: List[Tuple[str, str]] = [pair for pair in settings if pair[0] == keyword]
    return [word for _, value in pairs for word in value.split()]
