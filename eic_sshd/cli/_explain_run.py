# SPDX-License-Identifier: Apache-2.0
"""Makes the decision that `eic-sshd explain` explains: on this machine now, or on what was saved."""

from __future__ import annotations

import os
import time
from typing import Callable, ContextManager, Dict, Mapping, Optional, Tuple

from ..config.loader import load_or_refuse
from ..config.schema import Config
from ..decide import authorizer, chained_command, dependencies, explanation, fallback, policy
from ..decide.dependencies import Dependencies
from ..decide.explanation import Explanation
from ..host import accounts
from ..host.groups import Groups
from ..host.hardware import AnyHardware, Ec2Hardware, SavedHardware
from ..host.new_folder import NewFolder
from ..imds import capture, saved
from ..imds.capture import RecordingImds, SavedImds
from ..imds.saved import Save
from ..model.reasons import NotGranted, Reason
from ..model.value import Value
from ..paths import ACCOUNT
from ._explain_json import Report
from ._explain_login import Login, ReadCommand, as_sshd_asks, login_again, login_now, sshd_command

# As host/groups.py writes whether the user is in a group.
_MEMBER = {True: "1", False: "0", None: "?"}


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


Build = Callable[[Config], Dependencies]
"""Gives what a decision uses outside, by the configuration."""


def answer(
    question: Question,
    deciding: ContextManager[None],
    build: Build = dependencies.build,
    read_command: ReadCommand = sshd_command,
) -> Answer:
    """Decide as `question` asks, in the context `deciding`. Raises MachineError if there is nothing to decide on."""
    if question.saved is None:
        before = None
        login = login_now(question.user or "", question.fingerprint)
        login = as_sshd_asks(login, load_or_refuse(question.config_file)[0], read_command)
    else:
        before = saved.load(question.saved)
        if question.as_of is not None:
            before = before._replace(as_of=question.as_of)
        login = login_again(before, question.user, question.fingerprint)
    dependencies.load_all()  # as in the daemon: it has loaded them before it decides
    with deciding:
        config, refusal = load_or_refuse(question.config_file)
        if refusal is None:
            try:
                made = _decide(config, login, build, before)
            except NotGranted as unusable:  # a library that cannot be loaded
                refusal = unusable
        if refusal is not None:
            made = _refuse(config, login, refusal, time.time() if before is None else before.as_of)
        decided_as = accounts.name_of(os.geteuid())
    explained = made.explanation
    report = Report(
        explained,
        decided_as,
        chained_command.should_run(config, explained.decision),
        (*login.notes, *_blind_spots(explained, decided_as, is_live=before is None)),
    )
    return Answer(
        report,
        Save(explained.now, login.user, login.fingerprint, login.uid, made.groups, Ec2Hardware().facts(), made.answers),
    )


def keep(folder: NewFolder, found: Answer, document: str, is_redacted: bool) -> None:
    """Write the explanation to `folder`, and IMDS's answers unless it is redacted. Raises MachineError."""
    folder.write("explanation.json", document.encode() + b"\n")
    if is_redacted:
        saved.write_redacted(folder)
    else:
        saved.write(folder, found.save)


class _Made(Value):
    """A decision, with the answers and the memberships in groups that it was made from."""

    explanation: Explanation
    answers: Mapping[str, capture.Answer]
    groups: Mapping[str, bool]


def _decide(config: Config, login: Login, build: Build, before: Optional[Save]) -> _Made:
    built = build(config)
    if before is not None:
        now = before.as_of
        groups = before.groups if login.user == before.user else {}
        built = built._replace(
            imds=SavedImds(before.answers),
            hardware=built.hardware if isinstance(built.hardware, AnyHardware) else SavedHardware(before.hardware),
            now=lambda: now,
            groups=Groups(lambda _, names, __: "".join(_MEMBER[groups.get(name)] for name in names)),
        )
    imds = RecordingImds(built.imds)
    explained = explanation.explain(config, login.invocation(built.monotonic()), built, imds)
    return _Made(explained, imds.answers, _memberships(config, login.user, built.groups))


def _refuse(config: Config, login: Login, refusal: NotGranted, now: float) -> _Made:
    """What sshd gets where nothing is decided, because of `refusal`."""
    refusal = policy.first_refusal(login.user, config.users, Groups().of, refusal)
    decision = authorizer.refuse(login.invocation(0.0), refusal, fallback.configured(config))
    return _Made(explanation.explain_refusal(decision, refusal, now), {}, {})


def _memberships(config: Config, user: str, groups: Groups) -> Dict[str, bool]:
    """Whether the user is in each group that was looked up."""
    lists = [config.users.deny, config.users.skip, config.users.allow]
    lists += [one.os_users for one in config.policy.values()]
    found: Dict[str, bool] = {}
    for names in (one.groups for one in lists):
        known = groups.cached(user, names)
        found.update({name: name in known.member for name in names if name not in known.unknown})
    return found


def _blind_spots(explained: Explanation, decided_as: str, is_live: bool) -> Tuple[str, ...]:
    """What the user `decided_as` could not see, and sshd's command may."""
    detail = f"{explained.decision.detail} {explained.refusal.detail if explained.refusal else ''}"
    found = []
    if "Permission denied" in detail:
        remedy = "" if os.geteuid() == 0 else " Run this command as root."
        found.append(f"A file cannot be read by the user {decided_as} (see above).{remedy}")
    reason = None if explained.refusal is None else explained.refusal.reason
    if is_live and reason is Reason.IMDS_UNREACHABLE and decided_as != ACCOUNT:
        found.append(
            f"A firewall may treat users differently: IMDS was requested as {decided_as}, and sshd's command requests "
            f"it as {ACCOUNT}."
        )
    return tuple(found)
