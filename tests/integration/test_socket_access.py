# SPDX-License-Identifier: Apache-2.0
"""The findings where the daemon's socket cannot be used, or another user could take its place."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Iterator, List

import pytest

from eic_sshd.diagnose import access
from testbed import private_host

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="needs the users of a private host")
US = private_host.ACCOUNTS["eic-sshd"]
OTHER = private_host.ACCOUNTS["deploy"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """The socket's folder, as systemd-tmpfiles makes it, with the socket in it."""
    folder = Path(private_host.HOME) / "sites" / os.urandom(4).hex()
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "sock"))
        os.chmod(folder / "sock", 0o600)
        os.chown(folder / "sock", US, US)
        yield folder


def problems(folder: Path, user: str = "eic-sshd", is_listening: bool = True) -> List[str]:
    found = access.socket_problems(user, str(folder / "sock"), is_listening)
    return [finding.text() for finding in found]


def test_the_socket_as_systemd_makes_it_has_no_findings(folder: Path) -> None:
    assert problems(folder) == []
    os.chown(folder / "sock", OTHER, OTHER)
    assert problems(folder, "deploy") == []
    os.chown(folder, US, US)
    assert problems(folder, "deploy") == []


@pytest.mark.parametrize("mode", [0o700, 0o754, 0o744])
def test_a_folder_that_the_user_may_not_enter_is_a_finding(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    (problem,) = problems(folder)
    assert f"eic-sshd may not enter {folder}, so each login is slower (owner uid 0, mode {mode:04o})" in problem
    assert problem.endswith(f"Run `chmod 0755 {folder}`.")


def test_a_folder_further_up_that_the_user_may_not_enter_is_a_finding(folder: Path) -> None:
    above = folder.parent
    above.chmod(0o700)
    try:
        assert f"eic-sshd may not enter {above}," in problems(folder)[0]
    finally:
        above.chmod(0o755)


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o1777, 0o757])
def test_a_folder_that_others_may_write_to_is_a_finding(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert problems(folder) == [
        f"{folder}: other users may write to it (owner uid 0, mode {mode:04o}). Run `chmod go-w {folder}`."
    ]


def test_a_folder_of_another_user_is_a_finding(folder: Path) -> None:
    os.chown(folder, OTHER, OTHER)
    assert f"{folder}: its owner could answer in place of the daemon (uid {OTHER})" in problems(folder)[0]


@pytest.mark.parametrize(("owner", "mode"), [(0, 0o600), (OTHER, 0o600), (US, 0o400), (US, 0o000)])
def test_a_socket_that_the_user_may_not_use_is_a_finding(folder: Path, owner: int, mode: int) -> None:
    os.chown(folder / "sock", owner, owner)
    os.chmod(folder / "sock", mode)
    (problem,) = problems(folder)
    assert f"eic-sshd may not use it, so each login is slower (owner uid {owner}, mode {mode:04o}). Run" in problem


def test_a_socket_that_others_may_use_too_is_a_finding_for_a_chained_commands_user(folder: Path) -> None:
    os.chown(folder / "sock", OTHER, OTHER)
    os.chmod(folder / "sock", 0o660)
    assert "other users may use it" in problems(folder, "deploy")[0]
    os.chmod(folder / "sock", 0o666)
    assert problems(folder, "eic-sshd") == []


def test_a_socket_that_is_missing_or_another_file_is_a_finding(folder: Path) -> None:
    (folder / "sock").unlink()
    assert f"{folder}/sock: it does not exist" in problems(folder)[0]
    assert problems(folder, is_listening=False) == []
    (folder / "sock").write_text("")
    assert f"{folder}/sock: it is not a socket" in problems(folder)[0]
