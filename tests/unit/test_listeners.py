# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from eic_sshd.enabling.listeners import Listener, listeners

TITLE = b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0"


def process(
    proc: Path,
    pid: int,
    title: bytes = TITLE,
    program: str = "/usr/sbin/sshd",
    root: str = "/",
    cgroup: str = "0::/system.slice/ssh.service\n",
) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_bytes(title)
    (folder / "cgroup").write_text(cgroup)
    (folder / "exe").symlink_to(program)
    (folder / "root").symlink_to(root)


def test_one_that_waits_for_connections_is_found_with_its_unit(tmp_path: Path) -> None:
    process(tmp_path, 7)
    process(tmp_path, 8, program="/usr/sbin/sshd (deleted)", cgroup="1:name=systemd:/system.slice/corp-sshd.service\n")
    process(tmp_path, 9, cgroup="0::/user.slice/user-0.slice/session-1.scope\n")
    (tmp_path / "version").write_text("")
    assert list(listeners(str(tmp_path))) == [
        Listener(7, "ssh.service"),
        Listener(8, "corp-sshd.service"),
        Listener(9, None),
    ]


@pytest.mark.parametrize(
    ("title", "program", "root"),
    [
        (b"/usr/sbin/sshd\0-t\0", "/usr/sbin/sshd", "/"),
        (b"sshd: root@pts/0\0", "/usr/sbin/sshd", "/"),
        (b"sshd: root [priv]\0", "/usr/sbin/sshd", "/"),
        (b"sshd: [accepted]\0", "/usr/sbin/sshd", "/"),
        (b"/usr/sbin/sshd\0-i\0", "/usr/sbin/sshd", "/"),
        (b"", "/usr/sbin/sshd", "/"),
        (TITLE, "/usr/bin/python3", "/"),
        (b"vi\0[listener]\0", "/usr/sbin/sshd", "/"),
        (TITLE, "/usr/sbin/sshd", "/usr"),
    ],
)
def test_nothing_else_is_told_to_read_its_configuration(tmp_path: Path, title: bytes, program: str, root: str) -> None:
    process(tmp_path, 7, title, program, root)
    assert list(listeners(str(tmp_path))) == []


def test_one_that_ends_meanwhile_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    assert list(listeners(str(tmp_path))) == []
    assert list(listeners(str(tmp_path / "none"))) == []
