# SPDX-License-Identifier: Apache-2.0
"""Which session a process is in, from its /proc."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from eic_sshd.cli._log_session import Processes


@pytest.mark.parametrize(
    ("cgroup", "session"),
    [
        ("0::/user.slice/user-1000.slice/session-7.scope\n", "7"),
        ("0::/user.slice/user-1000.slice/session-c12.scope/child\n", "c12"),
        ("1:name=systemd:/user.slice/user-0.slice/session-3.scope\n0::/x\n", "3"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n", None),
        ("0::/system.slice/ssh.service\n", None),
        ("", None),
    ],
)
def test_session_is_that_of_the_control_group(tmp_path: Path, cgroup: str, session: Optional[str]) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(cgroup)
    assert Processes(str(tmp_path)).session_id() == session


def test_ancestors_end_at_the_first_process(tmp_path: Path) -> None:
    for process, parent in (("self", 30), ("30", 20), ("20", 1)):
        (tmp_path / process).mkdir()
        (tmp_path / process / "status").write_text(f"Name:\tx\nPPid:\t{parent}\n")
    assert Processes(str(tmp_path)).ancestors() == [30, 20]


def test_ancestors_in_a_circle_are_bounded(tmp_path: Path) -> None:
    for process, parent in (("self", 30), ("30", 20), ("20", 30)):
        (tmp_path / process).mkdir()
        (tmp_path / process / "status").write_text(f"PPid:\t{parent}\n")
    assert len(Processes(str(tmp_path)).ancestors()) == 64


def test_nothing_is_known_without_proc(tmp_path: Path) -> None:
    processes = Processes(str(tmp_path))
    assert (processes.boot_id(), processes.session_id(), processes.ancestors(), processes.is_sshd(1)) == (
        "",
        None,
        [],
        False,
    )


@pytest.mark.parametrize(("name", "expected"), [("sshd", True), ("sshd-session", True), ("bash", False)])
def test_sshd_process_is_known_by_its_name(tmp_path: Path, name: str, expected: bool) -> None:
    (tmp_path / "17").mkdir()
    (tmp_path / "17/comm").write_text(f"{name}\n")
    assert Processes(str(tmp_path)).is_sshd(17) is expected
