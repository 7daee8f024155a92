# SPDX-License-Identifier: Apache-2.0
"""Which finding follows from which: an administrator needs the cause, not what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .check import ABOUT, Result
from .finding import Severity
from .recent_records import MAY_BE_AN_ATTACK

# A code means its finding, `CHECK/*` everything that the check finds, except what is OK.
_NO_EC2 = ("imds/*", "clock/*", "trust/*", "recent-*")
_NO_ANSWER = ("trust/*", "clock/*", "recent-*", "imds-unusual-server")
_NOT_RUN = ("sshd/*", "running-sshd/*", "services/*", "configuration/*", "selinux/*")
_NO_PROGRAM = (*_NOT_RUN, "imds/*", "imds-other/*", "clock/*", "trust/*", "recent-*", "login-other-command")
_NO_COMMAND = ("running-sshd/*", "services/*", "match-block-command", "match-block-user", "login-other-command")
_NO_TRUST = ("trust/*", "recent-*")
_SLOWER = ("recent-authorizer-failed", "socket-missing", "socket-unit-inactive", "socket-unit-failed", "unit-masked")
# SELinux denies that a program is run, a file read, a connection made. Whatever IMDS answered, it was reached.
_DENIED = (
    *("imds-unreachable", "clock-unknown", "deadline-exceeded", "library-unusable", "openssl-missing"),
    *("recent-imds-unreachable", "recent-deadline-exceeded", "recent-library-unusable", "recent-openssl-missing"),
    *("recent-program-unsafe", "recent-program-unusable", "recent-config-invalid", "recent-authorizer-failed"),
    "recent-internal-error",
)
# Refusals that may be an attack: `recent-*` does not mean them, since they follow from few causes.
_ATTACKS = frozenset(f"recent-{reason.word}" for reason in MAY_BE_AN_ATTACK)

# Cause to what follows from it. A cause is above what follows from it, so that nothing follows from itself.
_FOLLOWS: Mapping[str, Tuple[str, ...]] = {
    # What sshd runs is not there, or does not run.
    "program-missing": _NO_PROGRAM,
    "account-missing": ("command-user-unusable", "match-block-user-unusable", "program-unusable", *_NO_PROGRAM),
    "account-is-root": _NO_PROGRAM,
    "python-missing": ("library-unusable", "program-unusable", *_NO_PROGRAM),
    "python-replaced": ("library-unusable", "program-unusable", *_NO_PROGRAM),
    "program-unsafe": ("recent-*", "program-unusable", "config-unusable"),
    "program-unusable": (
        "recent-*",
        "config-unusable",
        "services/*",
        "imds/*",
        "imds-other/*",
        "clock/*",
        "trust/*",
    ),
    "library-unusable": ("imds/*", "clock/*", "trust/*", "services/*", "recent-*", "records/*", "imds-other/*"),
    "config-invalid": ("config-unusable", "trust/*", "recent-*"),
    "config-unusable": ("trust/*", "recent-*", "service-failed"),
    # sshd does not run it.
    "sshd-not-installed": ("sshd/*", "running-sshd/*", "settings/*", "login/*", "other-logins/*"),
    "sshd-option-override": ("sshd/*", "running-sshd/*", "services/*", "settings/*", "login-other-command"),
    "sshd-config-invalid": ("sshd/*", "running-sshd/*", "services/*", "settings/*", "other-logins/*", "login/*"),
    "not-included": ("not-enabled", "other-command", *_NO_COMMAND),
    "included-in-match-block": ("not-enabled", "other-command", *_NO_COMMAND),
    "other-command": _NO_COMMAND,
    "not-enabled": _NO_COMMAND,
    "command-arguments-wrong": ("uid-not-passed", "recent-*"),
    "command-user-unusable": ("program-unusable", "config-unusable", "services/*", "recent-*"),
    "match-block-command": ("login-other-command",),
    "sshd-not-reloaded": ("recent-*",),
    # Its process may not reach IMDS, or something else answers.
    "selinux-policy-missing": ("selinux-denials", "services/*", *_DENIED),
    "selinux-denials": _DENIED,
    "imds-impostor": ("not-ec2", "imds-error", "imds-unusual-server", *_NO_ANSWER, *sorted(_ATTACKS)),
    "not-ec2": _NO_EC2,
    "imds-disabled": _NO_ANSWER,
    "imds-hop-limit": (*_NO_ANSWER, "imds-unreachable"),
    "imds-blocked-for-user": (*_NO_ANSWER, "imds-unreachable"),
    "imds-unreachable": _NO_ANSWER,
    "imds-address-denied": ("recent-imds-unreachable",),
    "imds-error": _NO_ANSWER,
    # It answers, and blocks or the signer are refused.
    "clock-wrong": (
        "clock-unsynchronized",
        "recent-expiry-beyond-window",
        "recent-signer-untrusted",
        *_NO_TRUST,
    ),
    "roots-unusable": ("recent-signer-untrusted", *_NO_TRUST),
    "openssl-missing": _NO_TRUST,
    # Slower only.
    "unit-masked": _SLOWER,
    "socket-unit-disabled": _SLOWER,
    "socket-unit-failed": _SLOWER,
    "socket-unit-inactive": _SLOWER,
    "service-failed": _SLOWER,
    # sshd refuses a key that was granted.
    "account-expired": ("pam-denied",),
    "nologin": ("pam-denied",),
    "password-inactive": ("pam-denied",),
    "password-expired": ("pam-denied",),
    "shell-unusable": ("user-not-allowed",),
    "account-locked": ("user-not-allowed",),
    "user-denied": ("user-not-allowed",),
    "user-not-listed": ("user-not-allowed",),
    "group-denied": ("user-not-allowed",),
    "group-not-listed": ("user-not-allowed",),
    "public-keys-disabled": ("login/public-keys-disabled", "other-logins/*"),
    "methods-without-public-key": ("login/methods-without-public-key", "second-factor"),
    "second-factor": ("login/second-factor",),
    "key-types-not-accepted": ("login/key-types-not-accepted", "key-type-not-accepted"),
}
_POSITIONS = {code: position for position, code in enumerate(_FOLLOWS)}
# Before the reason of a recent record: it follows from a finding that has this reason as its code.
_RECENT = "recent-"
_RANK = (Severity.OK, Severity.UNKNOWN, Severity.WARNING, Severity.PROBLEM)


@dataclass(frozen=True)
class Diagnosed:
    """A result, and the code of the finding that it follows from; None if it is shown."""

    result: Result
    hidden_by: Optional[str]


@dataclass(frozen=True)
class Diagnosis:
    """All results in their order, and the one that explains the others.

    There is none if nothing is known to be wrong: what is unknown explains nothing.
    """

    results: Sequence[Diagnosed]
    root_cause: Optional[Result]

    @property
    def shown(self) -> List[Result]:
        """What follows from nothing else."""
        return [one.result for one in self.results if one.hidden_by is None]

    @property
    def number_hidden(self) -> int:
        """How many follow from what is shown."""
        return len(self.results) - len(self.shown)


def diagnose(results: Sequence[Result]) -> Diagnosis:
    """Which of the `results` follow from others, and which one is the root cause.

    A cause is at least as severe as what follows from it: a warning from which a problem follows is shown as a problem.
    """
    bad = sorted((one for one in results if one.finding.severity is not Severity.OK), key=_order)
    causes: Dict[Result, Result] = {}
    for position, result in enumerate(bad):
        cause = next((one for one in bad[:position] if _leads_to(one, result)), None)
        if cause is not None:
            causes[result] = causes.get(cause, cause)
    raised = {result: _raised(result, causes) for result in results if result not in causes}
    diagnosed = [
        Diagnosed(raised.get(one, one), causes[one].finding.code if one in causes else None) for one in results
    ]
    shown = [one.result for one in diagnosed if one.hidden_by is None]
    return Diagnosis(diagnosed, _root_cause(shown))


def _root_cause(shown: Sequence[Result]) -> Optional[Result]:
    """The first of the most severe ones: the order of the checks is that of a login."""
    for severity in (Severity.PROBLEM, Severity.WARNING):
        found = next((one for one in shown if one.finding.severity is severity), None)
        if found is not None:
            return found
    return None


def _order(result: Result) -> Tuple[int, int]:
    """Causes first; of findings with the same code that of the first check."""
    return _POSITIONS.get(result.finding.code, len(_POSITIONS)), list(ABOUT).index(result.check)


def _leads_to(cause: Result, result: Result) -> bool:
    code = result.finding.code
    if code == f"{_RECENT}{cause.finding.code}":
        return True
    names = {
        code,
        f"{result.check}/{code}",
        f"{result.check}/*",
        *([f"{_RECENT}*"] if code.startswith(_RECENT) and code not in _ATTACKS else []),
    }
    follows = _FOLLOWS.get(cause.finding.code, ())
    return not names.isdisjoint(follows)


def _raised(result: Result, causes: Mapping[Result, Result]) -> Result:
    severities = [result.finding.severity, *(one.finding.severity for one, cause in causes.items() if cause == result)]
    return replace(result, finding=replace(result.finding, severity=max(severities, key=_RANK.index)))
