# SPDX-License-Identifier: Apache-2.0
"""The checks of a machine that lacks what they look at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

import pytest

from eic_sshd.diagnose import checklist
from eic_sshd.diagnose.check import run
from eic_sshd.diagnose.checklist import Question
from eic_sshd.diagnose.root_cause import diagnose
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site

NOBODY = "no-such-user"


class WithoutUser(Question):
    """A machine without the user that sshd would run eic-sshd as."""

    def command_user(self) -> str:
        """No user of this machine."""
        return NOBODY


def shown(tmp_path: Path, *names: str) -> List[str]:
    site = Site(Sshd("/no/such/sshd", str(tmp_path / "sshd_config")), Processes(), root=str(tmp_path))
    chosen = [one for one in checklist.checks(WithoutUser(site)) if one.name in names]
    return [one.finding.text() for one in diagnose(run(chosen, 30, is_root=True)).shown]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("name", ["imds", "imds-other", "clock", "trust", "services"])
def test_a_missing_user_is_named_by_each_check_that_becomes_it(name: str, tmp_path: Path) -> None:
    assert shown(tmp_path, name) == [f"user {NOBODY}: it does not exist. Run `systemd-sysusers`."]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_missing_user_is_named_once(tmp_path: Path) -> None:
    assert len(shown(tmp_path, "imds", "clock", "trust", "services")) == 1
