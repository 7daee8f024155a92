# SPDX-License-Identifier: Apache-2.0
"""What is said where SELinux would keep sshd from asking."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Optional

import pytest

from eic_sshd.diagnose import selinux

OURS = "system_u:object_r:eic_sshd_exec_t:s0"


@pytest.mark.parametrize(
    ("enforce", "label", "said"),
    [
        ("1", "system_u:object_r:bin_t:s0", "has system_u:object_r:bin_t:s0)"),
        ("1", None, "has no label (No data available))"),
        ("1", OURS, ""),
        ("0", "system_u:object_r:bin_t:s0", ""),
        (None, None, ""),
    ],
)
def test_an_enforced_policy_that_does_not_know_us_is_told_of(
    enforce: Optional[str], label: Optional[str], said: str, tmp_path: Path
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
    assert len(found) == bool(said)
    for sentence in found:
        assert said in sentence
        assert sentence.endswith(": install eic-sshd-selinux")
