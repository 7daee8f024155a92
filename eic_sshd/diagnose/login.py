# SPDX-License-Identifier: Apache-2.0
"""Why one user's login would be refused although eic-sshd grants the pushed key (sshd_config(5), shadow(5), pam(8))."""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from ..decide import checks, policy
from ..model.os_users import Memberships
from ..model.reasons import NotGranted
from ..sshd.drop_in import is_ours, passes_uid
from ..sshd.program import in_force
from . import policies, user_lists
from .finding import Finding, error, ok, warning
from .login_facts import Account, LoginFacts
from .obstacles import obstacles


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
    yield from _users_problems(facts, facts.account)
    yield from _command_problems(facts)
    yield from _policy_problems(facts, facts.account)
    yield from _setting_problems(facts)
    yield from user_lists.findings(facts, facts.account)
    yield from _root_problems(facts, facts.account)
    yield from _account_problems(facts, facts.account)


def _users_problems(facts: LoginFacts, account: Account) -> Iterator[Finding]:
    """Rule 0 of a decision: [users]."""

    def groups_of(_user: str, groups: Sequence[str]) -> Memberships:
        return Memberships(account.groups & frozenset(groups), frozenset())

    try:
        policy.require_user(facts.user, facts.users, groups_of)
    except NotGranted as refusal:
        yield error(refusal.reason.word, "[users]", refusal.detail, refusal.reason.remedy.rstrip("."))


def _command_problems(facts: LoginFacts) -> Iterator[Finding]:
    command = in_force(facts.settings).get("authorizedkeyscommand", "none")
    if is_ours(command):
        return
    problem = f"for this login sshd runs another AuthorizedKeysCommand and not eic-sshd ({command})"
    if command.lower() == "none":
        problem = "for this login sshd does not run eic-sshd (AuthorizedKeysCommand none)"
    if is_ours(facts.usual_command):
        remedy = "Remove that line from its Match block, then reload sshd"
    elif facts.usual_command.lower() == "none":
        remedy = "Run `eic-sshd enable`"
    else:
        remedy = "`eic-sshd doctor --only sshd` names the line, and what corrects it"
    yield error("login-other-command", facts.user, problem, remedy)


def _policy_problems(facts: LoginFacts, account: Account) -> Iterator[Finding]:
    """Rule 9 of a decision, where [policy] refuses every caller."""
    command = in_force(facts.settings).get("authorizedkeyscommand", "none")
    if not facts.policies or not is_ours(command):
        return
    by_uid = policy.Account(facts.user, account.uid, facts.uid_min)
    as_sent = by_uid if passes_uid(command) else by_uid._replace(uid=None)
    if policies.lets_anyone(facts.policies, as_sent, account.groups):
        return
    remedy = (
        f"Add {facts.user} to os_users of a [policy]; `eic-sshd explain --caller ARN {facts.user}` shows what each "
        "one lacks"
    )
    if policies.lets_anyone(facts.policies, by_uid, account.groups):
        problem = f"{facts.user} counts as root, whom none has by name, since sshd does not pass the uid"
        remedy = "Run `eic-sshd enable`, or add --token U=%U to a line of your own"
    elif by_uid.is_system:
        problem = f"none has {facts.user} by name with a caller that needs no ${{os_user}}, as a system account"
        problem += f" requires (uid {account.uid})"
    else:
        problem = f"none lets a caller log in as {facts.user}"
    yield error("policy-without-user", "[policy]", f"{problem}, so every pushed key is refused", remedy)


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
            f"a key alone does not log in: sshd requires more (AuthenticationMethods {methods})",
            "Give the second factor too, or add a list of publickey alone",
        )


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
    yield from _expiries(facts, account, uses_pam)
    if facts.nologin and account.uid != 0:
        yield error(
            "nologin",
            facts.nologin,
            "while this file exists, only root may log in (pam_nologin(8))",
            f"Run `rm {facts.nologin}`, unless the machine is shutting down",
        )


def _expiries(facts: LoginFacts, account: Account, uses_pam: bool) -> Iterator[Finding]:
    """pam_unix(8) refuses an account from the day on that shadow(5) has for it; sshd without UsePAM from the day after.

    Without UsePAM, the age of a password is tested only where that password is used (auth-passwd.c).
    """
    days = None if account.expires is None else facts.today - account.expires
    if days is not None and days >= (0 if uses_pam else 1):
        when = f"{days} days ago" if days > 1 else ("today", "yesterday")[days]
        who = "PAM refuses it after the key is granted" if uses_pam else "sshd refuses it"
        remedy = f"Run `chage --expiredate -1 {facts.user}`"
        yield error("account-expired", facts.user, f"it expired {when}, so {who}", remedy)
    renew = f"Run `chage --maxdays -1 --lastday {facts.today} {facts.user}`"
    if account.is_inactive and uses_pam:
        yield error(
            "password-inactive",
            facts.user,
            "its password expired and was not changed in time, so PAM refuses the account after the key is granted",
            renew,
        )
    elif account.must_change and uses_pam:
        yield warning(
            "password-expired",
            facts.user,
            "its password has expired, so the login requires a new one, and a command without a terminal fails",
            renew,
        )
