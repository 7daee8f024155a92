# SPDX-License-Identifier: Apache-2.0
"""The finding where SELinux may deny sshd's requests."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Optional

import pytest

from eic_sshd.diagnose import selinux

OURS = "system_u:object_r:eic_sshd_exec_t:s0"


@pytest.mark.parametrize(
    ("enforce", "label", "shown"),
    [
        ("1", "system_u:object_r:bin_t:s0", "(label: system_u:object_r:bin_t:s0)"),
        ("1", None, "(label: no label (No data available))"),
        ("1", OURS, ""),
        ("0", "system_u:object_r:bin_t:s0", ""),
        (None, None, ""),
    ],
)
def test_an_enforced_policy_without_rules_for_eic_sshd_is_a_finding(
    enforce: Optional[str], label: Optional[str], shown: str, tmp_path: Path
) -> None:
    file = tmp_path / "enforce"
    if enforce is not None:
        file.write_text(enforce)

    def label_of(path: str) -> str:
        assert path == "/usr/bin/eic-sshd"
        if label is None:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
        return label

    found = list(selinux.problems(str(file), label_of))
    assert len(found) == bool(shown)
    for finding in found:
        assert shown in finding.text()
        assert finding.text().endswith(" install eic-sshd-selinux`.")
