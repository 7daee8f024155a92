# SPDX-License-Identifier: Apache-2.0
"""Cases of a chained command that tests/integration/test_chain.py cannot cause from outside."""

from __future__ import annotations

import os

import pytest

from eic_sshd.config.schema import build
from eic_sshd.decide import chained_command
from eic_sshd.invocation import Invocation
from eic_sshd.model.decision import Decision
from eic_sshd.model.outcome import WARNING
from eic_sshd.model.public_key import PublicKey
from eic_sshd.model.reasons import Reason

REQUEST = Invocation("alice", "SHA256:x", 42, begun=0.0)
KEY = PublicKey("ssh-ed25519", b"blob")
CONFIG = build({"chain": {"command": "/usr/bin/true"}, "imds": {"deadline": 3.0}})


def test_chained_command_is_not_run_by_a_uid_without_a_passwd_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    ended = chained_command.run("/usr/bin/true", REQUEST, 1)
    assert (ended.output, ended.status) == (b"", None)
    assert ended.problem.startswith("not run: KeyError: ")
    assert chained_command.record("/usr/bin/true", REQUEST, ended).severity == WARNING


@pytest.mark.parametrize(
    ("keys", "fingerprint", "wanted"),
    [((), "SHA256:x", True), ((KEY,), None, True), ((KEY,), "SHA256:x", False), ((), None, True)],
)
def test_chained_command_runs_unless_the_key_that_sshd_named_is_granted(
    keys: tuple[PublicKey, ...], fingerprint: str | None, wanted: bool
) -> None:
    decision = Decision(Invocation("alice", fingerprint, begun=0.0), Reason.GRANTED, "", keys)
    assert chained_command.should_run(CONFIG, decision) is wanted
    assert chained_command.should_run(build({}), decision) is False


@pytest.mark.parametrize(("elapsed", "left"), [(0, 3), (1, 2), (2, 1), (2.9, 1), (60, 1)])
def test_chained_command_gets_the_remaining_time_and_at_least_a_third(elapsed: float, left: float) -> None:
    assert chained_command.seconds_left(CONFIG, begun=100, now=100 + elapsed) == pytest.approx(left)


def test_decision_leaves_the_chained_command_a_third_of_the_time() -> None:
    assert CONFIG.decision_deadline == pytest.approx(2)
    assert build({}).decision_deadline == 3
