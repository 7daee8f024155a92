# SPDX-License-Identifier: Apache-2.0
"""What an administrator is told where the authorizer's socket cannot be used, or another user could take its place."""

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


def problems(folder: Path, user: str = "eic-sshd", listens: bool = True) -> List[str]:
    return list(access.problems(user, str(folder / "sock"), listens))


def test_as_it_is_made_nothing_is_wrong(folder: Path) -> None:
    assert problems(folder) == []
    os.chown(folder / "sock", OTHER, OTHER)
    assert problems(folder, "deploy") == []
    os.chown(folder, US, US)
    assert problems(folder, "deploy") == []


@pytest.mark.parametrize("mode", [0o700, 0o754, 0o744])
def test_a_folder_that_its_user_may_not_enter_is_told_of(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    (said,) = problems(folder)
    assert f"eic-sshd may not enter {folder} (owner uid 0, mode {mode:04o}). Run: chmod 0755 {folder}" in said


def test_so_is_one_above_it(folder: Path) -> None:
    above = folder.parent
    above.chmod(0o700)
    try:
        assert f"eic-sshd may not enter {above} (" in problems(folder)[0]
    finally:
        above.chmod(0o755)


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o1777, 0o757])
def test_a_folder_that_others_may_write_to_is_told_of(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert problems(folder) == [
        f"{folder}: others may write to it (owner uid 0, mode {mode:04o}). Run: chmod go-w {folder}"
    ]


def test_a_folder_of_another_user_is_told_of(folder: Path) -> None:
    os.chown(folder, OTHER, OTHER)
    assert f"owned by uid {OTHER}, who could answer in the authorizer's place" in problems(folder)[0]


@pytest.mark.parametrize(("owner", "mode"), [(0, 0o600), (OTHER, 0o600), (US, 0o400), (US, 0o000)])
def test_a_socket_that_its_user_may_not_use_is_told_of(folder: Path, owner: int, mode: int) -> None:
    os.chown(folder / "sock", owner, owner)
    os.chmod(folder / "sock", mode)
    (said,) = problems(folder)
    assert f"eic-sshd may not use it (owner uid {owner}, mode {mode:04o}). Run: systemctl restart" in said


def test_a_socket_that_others_may_use_too_does_not_answer_a_sites_user(folder: Path) -> None:
    os.chown(folder / "sock", OTHER, OTHER)
    os.chmod(folder / "sock", 0o660)
    assert "others may use it" in problems(folder, "deploy")[0]
    os.chmod(folder / "sock", 0o666)
    assert problems(folder, "eic-sshd") == []


def test_what_is_no_socket_and_what_is_gone_is_told_of(folder: Path) -> None:
    (folder / "sock").unlink()
    assert f"{folder}/sock is gone" in problems(folder)[0]
    assert problems(folder, listens=False) == []
    (folder / "sock").write_text("")
    assert f"{folder}/sock is no socket" in problems(folder)[0]
