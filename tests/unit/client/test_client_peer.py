# SPDX-License-Identifier: Apache-2.0
"""Which users may answer the client: the kernel reports the listener (unix(7), SO_PEERCRED)."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from eic_sshd import client
from tests.unit.invocations import invocation

OTHER = 0x01020304  # a uid that is no other however its bytes are cut
ANSWER = b"W\0\0\x0b\xb8K\0\0\0\2x\n"
# The listener is the process that called listen(2), whichever process made the socket.
LISTENING = """
import socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
listener.listen(8)
print("ready", flush=True)
peer, _ = listener.accept()
if peer.recv(4096):  # a client that does not trust the listener sends nothing
    peer.sendall(bytes.fromhex(sys.argv[2]))
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as another user")


def answer(path: str, uid: int) -> bytes | None:
    """What the client gets at `path`, where a process of `uid` listens and answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        command = ["/usr/bin/python3", "-ISc", LISTENING, str(listener.fileno()), ANSWER.hex()]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, pass_fds=[listener.fileno()], user=uid, group=uid, cwd="/"
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            try:
                return client.ask(invocation(path))[0]
            finally:
                process.kill()


@pytest.mark.parametrize(("uid", "owner", "heard"), [(OTHER, 0, None), (OTHER, OTHER, b"x\n"), (0, OTHER, b"x\n")])
def test_client_accepts_answers_only_of_root_this_user_and_the_folders_owner(
    tmp_path: Path, uid: int, owner: int, heard: bytes | None
) -> None:
    os.chown(tmp_path, owner, 0)
    assert answer(str(tmp_path / "sock"), uid) == heard


@pytest.mark.parametrize(("owner", "heard"), [(0, None), (OTHER, b"x\n")])
def test_folder_of_a_bare_socket_name_is_the_working_folder(
    tmp_path: Path, owner: int, heard: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(tmp_path, owner, 0)
    monkeypatch.chdir(tmp_path)
    assert answer("sock", OTHER) == heard
