# SPDX-License-Identifier: Apache-2.0
"""What SELinux denied that eic-sshd needs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eic_sshd.diagnose.finding import Severity
from eic_sshd.diagnose.selinux import corrected_at, denials

AVC = (
    'type=AVC msg=audit(1700000000.123:45): avc:  denied  { execute } for  pid=7 comm="sshd" name="authorized-keys" '
    "dev=x scontext=system_u:system_r:sshd_session_t:s0 tcontext=system_u:object_r:eic_sshd_exec_t:s0 tclass=file "
    "permissive=0"
)


@pytest.mark.parametrize(
    "line",
    [
        AVC,
        'avc:  denied  { name_connect } for comm="authorized-keys" scontext=a:b:sshd_t:s0 tcontext=c tclass=tcp_socket',
        "avc:  denied  { name_connect } for comm=x scontext=a:b:sshd_session_t:s0 tcontext=c tclass=tcp_socket",
    ],
)
def test_a_denial_of_eic_sshd_is_a_problem_with_the_policy_to_install(line: str) -> None:
    (found,) = denials(["x", line], "dnf install eic-sshd-selinux")
    assert found.code == "selinux-denials"
    assert found.command.startswith("dnf install eic-sshd-selinux && restorecon -R ")


def test_the_last_denial_is_shown() -> None:
    (found,) = denials([AVC, AVC], "x")
    assert "2 times in the last day" in found.problem
    assert "sshd_session_t:s0 may not execute file" in found.problem


@pytest.mark.parametrize(
    "line", ["", 'avc:  denied  { read } for comm="httpd" scontext=httpd_t tclass=file', "granted"]
)
def test_another_line_is_no_finding(line: str) -> None:
    assert list(denials([line], "x")) == []


PERMISSIVE = AVC.replace("permissive=0", "permissive=1")


def test_what_was_not_denied_because_of_the_mode_is_a_warning() -> None:
    (found,) = denials([PERMISSIVE, PERMISSIVE], "dnf install x")
    assert (found.code, found.severity) == ("selinux-would-deny", Severity.WARNING)
    assert found.command.startswith("dnf install x && restorecon ")
    (found,) = denials([PERMISSIVE, AVC, PERMISSIVE], "x")
    assert (found.code, "1 times" in found.problem) == ("selinux-denials", True)


def test_policy_and_labels_are_as_old_as_their_files(tmp_path: Path) -> None:
    assert corrected_at(str(tmp_path)) == 0
    policy = tmp_path / "etc/selinux/targeted/policy/policy.33"
    policy.parent.mkdir(parents=True)
    policy.touch()
    os.utime(policy, (1000, 1000))
    assert corrected_at(str(tmp_path)) == 1000
    program = tmp_path / "usr/bin/eic-sshd"
    program.parent.mkdir(parents=True)
    program.touch()
    os.utime(program, (2000, 2000))
    assert corrected_at(str(tmp_path)) == program.stat().st_ctime  # a label is part of the status, not of the text
