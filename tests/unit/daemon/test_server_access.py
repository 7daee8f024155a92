# SPDX-License-Identifier: Apache-2.0
"""Who may ask the daemon, and what it does with a request that is not for it, or is none."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import List

import pytest

from eic_sshd.daemon import protocol
from eic_sshd.daemon.connection import allowed_peer_uids

from .serving import NOTHING_CACHED, WHOLE, answer, request, serve

OTHER = 0x01020304


@pytest.mark.parametrize(
    ("mode", "allowed"),
    [(0o600, True), (0o700, True), (0o601, False), (0o610, False), (0o620, False), (0o604, False), (0o666, False)],
)
def test_owner_of_a_socket_is_allowed_if_no_other_user_can_connect(tmp_path: Path, mode: int, allowed: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a socket away")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        os.chown(tmp_path / "sock", OTHER, 0)
        os.chmod(tmp_path / "sock", mode)
        assert allowed_peer_uids(listener) == ({0, OTHER} if allowed else {0})


def test_unnamed_socket_accepts_root_and_this_user() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        assert allowed_peer_uids(listener) == {0, os.geteuid()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_root_is_allowed_whatever_user_serves() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.seteuid(OTHER)
        try:
            assert allowed_peer_uids(listener) == {0, OTHER}
        finally:
            os.seteuid(0)


def test_request_with_another_configuration_file_is_declined(path: str) -> None:
    heard: List[bytes] = []
    other = NOTHING_CACHED._replace(config_file="/other.conf")
    serve(path, other, lambda: heard.append(answer(path, request("root"))))
    assert heard == [protocol.DECLINED]


@pytest.mark.parametrize(
    "words",
    [
        (b"\xff\xff\xff\xff",),
        (b"\0\0\0\1x",),
        (b"\0\0\0\0",),
        (request("root") + b"x",),
        (request("") + b"",),
    ],
)
def test_malformed_request_closes_only_its_own_connection(path: str, words: tuple[bytes, ...]) -> None:
    heard: List[bytes] = []

    def talk() -> None:
        heard.append(answer(path, *words))
        heard.append(answer(path, request("root")))

    serve(path, NOTHING_CACHED, talk)
    assert heard == [b"", WHOLE]
