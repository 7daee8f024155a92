# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import Optional

import pytest

from eic_sshd import client
from eic_sshd.setup import chain
from eic_sshd.sshd.site import Site


def test_the_clients_socket_is_the_one_that_is_diagnosed() -> None:
    assert Site._field_defaults["socket"] == client.SOCKET


@pytest.mark.parametrize("user", ["eic-sshd", "_keys2", "Keys", "x" * 31])
def test_a_socket_is_given_to_a_user_by_name(user: str) -> None:
    assert chain.socket_settings(user, uid=7) == f"[Socket]\nSocketUser={user}\n"


@pytest.mark.parametrize("user", ["nobody", "first.last", "9keys", "x" * 32, "keys$", "-x", "a\n"])
def test_a_user_name_that_systemd_warns_of_is_replaced_by_its_number(user: str) -> None:
    assert chain.socket_settings(user, uid=7) == f"[Socket]\n# {user!a}\nSocketUser=7\n"


@pytest.mark.skipif(not os.path.exists("/usr/bin/systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize(("lines", "warned"), [("[Socket]\nSocketUser=nobody\n", True), (None, False)])
def test_systemd_warns_of_nobody_and_not_of_our_drop_in(tmp_path: Path, lines: Optional[str], warned: bool) -> None:
    drop_in = tmp_path / "eic-sshd.socket.d/60-chain.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(lines or chain.socket_settings("nobody", pwd.getpwnam("nobody").pw_uid))
    (tmp_path / "eic-sshd.socket").write_text("[Socket]\nListenStream=/run/x.sock\n")
    (tmp_path / "eic-sshd.service").write_text("[Service]\nExecStart=/bin/true\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "eic-sshd.socket")],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "notice"},
    )
    assert ("60-chain.conf" in done.stderr) is warned, done.stderr
