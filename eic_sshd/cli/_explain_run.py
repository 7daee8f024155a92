# SPDX-License-Identifier: Apache-2.0
"""Makes the decision that `eic-sshd explain` explains: on this machine now, or on what was saved."""

from __future__ import annotations

import os
import pwd
import time
from typing import Callable, Optional, Tuple

from ..config.loader import load_or_refuse
from ..config.schema import Config
from ..decide import authorizer, chained_command, dependencies, explanation, fallback, policy
from ..decide.dependencies import Dependencies
from ..decide.explanation import Explanation
from ..host.groups import Groups
from ..host.hardware import AnyHardware, Ec2Hardware, SavedHardware
from ..host.new_folder import NewFolder
from ..host.timed_calls import TimedCalls
from ..imds import saved
from ..imds.capture import RecordingImds, SavedImds
from ..imds.saved import Save
from ..invocation import Invocation
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from ..paths import ACCOUNT
from ._explain_json import Report

_ACCOUNT_TIMEOUT = 1.0  # seconds for the user to be looked up: a directory service may hang
_lookups = TimedCalls(1)


class Question(Value):
    """What to explain. `saved` is the folder to decide from, at `as_of` (None: when it was saved)."""

    user: Optional[str]
    fingerprint: Optional[str]
    config_file: Optional[str]
    saved: Optional[str] = None
    as_of: Optional[float] = None


class Answer(Value):
    """The report, and what it was made from."""

    report: Report
    save: Save

    @property
    def user(self) -> str:
        """The OS user."""
        return self.save.user


Build = Callable[[Config], Dependencies]
"""Gives what a decision uses outside, by the configuration."""


def answer(question: Question, build: Build = dependencies.build) -> Answer:
    """Decide as `question` asks. Raises MachineError if there is nothing to decide on."""
    before = None if question.saved is None else saved.load(question.saved)
    login = _login_now(question) if before is None else _login_again(question, before)
    invocation = Invocation(
        login.user, login.fingerprint, begun=0.0, tokens={} if login.uid is None else {"U": str(login.uid)}
    )
    config, refusal = load_or_refuse(question.config_file)
    imds: Optional[RecordingImds] = None
    if refusal is None:
        try:
            imds, explained = _decide(config, invocation, build, before, question.as_of)
        except NotGranted as unusable:  # a library that cannot be loaded
            refusal = unusable
    if refusal is not None:
        now = time.time() if before is None else before.as_of
        refusal = policy.first_refusal(invocation.user, config.users, Groups().of, refusal)
        decision = authorizer.refuse(invocation, refusal, fallback.configured(config))
        explained = explanation.explain_refusal(decision, refusal, now)
    report = Report(
        explained,
        chained_command.should_run(config, explained.decision),
        (*login.notes, *(() if before is not None else _blind_spots(explained, os.geteuid()))),
    )
    answers = {} if imds is None else imds.answers
    hardware = Ec2Hardware().facts() if before is None else before.hardware
    return Answer(report, Save(explained.now, login.user, login.fingerprint, login.uid, hardware, answers))


def keep(folder: NewFolder, found: Answer, document: str, is_redacted: bool) -> None:
    """Write the explanation to `folder`, and IMDS's answers unless it is redacted. Raises MachineError."""
    folder.write("explanation.json", document.encode() + b"\n")
    if is_redacted:
        saved.write_redacted(folder)
    else:
        saved.write(folder, found.save)


def _decide(
    config: Config, invocation: Invocation, build: Build, before: Optional[Save], as_of: Optional[float]
) -> Tuple[RecordingImds, Explanation]:
    built = build(config)
    dependencies.load_all()  # as in the daemon: it has loaded them before it decides
    if before is not None:
        now = before.as_of if as_of is None else as_of
        hardware = built.hardware if isinstance(built.hardware, AnyHardware) else SavedHardware(before.hardware)
        built = built._replace(imds=SavedImds(before.answers), hardware=hardware, now=lambda: now)
    imds = RecordingImds(built.imds)
    begun = Invocation(invocation.user, invocation.fingerprint, begun=built.monotonic(), tokens=invocation.tokens)
    return imds, explanation.explain(config, begun, built, imds)


class _Login(Value):
    """Who logs in, with which key; and notes on what was found out of that."""

    user: str
    fingerprint: Optional[str]
    uid: Optional[int]
    notes: Tuple[str, ...] = ()


def _login_now(question: Question) -> _Login:
    """The login on this machine. sshd asks only for users that exist."""
    user = question.user or ""
    try:
        uid = _lookups.call(lambda: pwd.getpwnam(user).pw_uid, _ACCOUNT_TIMEOUT)
    except (KeyError, ValueError):
        problem = f"There is no user {user[:64]} on this machine: sshd does not run eic-sshd for it."
        return _Login(user, question.fingerprint, None, (problem,))
    except OSError as error:
        return _Login(user, question.fingerprint, None, (f"The uid of {user[:64]} could not be looked up: {error}.",))
    return _Login(user, question.fingerprint, uid)


def _login_again(question: Question, before: Save) -> _Login:
    """The saved login, or one of another user or key on the same answers."""
    if question.user is None:
        return _Login(before.user, before.fingerprint, before.uid)
    return _Login(question.user, question.fingerprint, before.uid if question.user == before.user else None)


def _blind_spots(explained: Explanation, euid: int) -> Tuple[str, ...]:
    """What this process, of the user `euid`, could not see and sshd's command may."""
    detail = f"{explained.decision.detail} {explained.refusal.detail if explained.refusal else ''}"
    found = []
    if euid != 0 and "Permission denied" in detail:
        found.append("A file cannot be read by this user (see above). Run this command as root.")
    if explained.refusal is not None and explained.refusal.reason is Reason.IMDS_UNREACHABLE:
        found.append(
            f"A firewall may treat users differently: IMDS was requested as uid {euid}, and sshd's command requests "
            f"it as {ACCOUNT}."
        )
    return tuple(found)
