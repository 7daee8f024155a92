# SPDX-License-Identifier: Apache-2.0
"""systemd's units."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parent.parent.parent / "systemd"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@needs_systemd
@pytest.mark.parametrize("name", ["eic-sshd.service", "eic-sandbox.service"])
def test_exposure_of_the_service_is_at_most_1_5(name: str) -> None:
    # systemd-analyze(1): the threshold is in tenths.
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15"]
    done = subprocess.run([*command, str(UNITS / name)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-500:]
    assert "Overall exposure level" in done.stdout


def test_service_needs_no_user_namespace() -> None:
    """A user namespace of its own, which would also hide from it who asks."""
    assert "\nPrivateUsers=" not in (UNITS / "eic-sshd.service").read_text()


@needs_systemd
def test_systemd_accepts_the_units(tree: Path, tmp_path: Path) -> None:
    for name in ("eic-sshd.socket", "eic-sshd.service"):
        text = (tree / "usr/lib/systemd/system" / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/eic-sshd", str(tree / "usr/bin/eic-sshd")))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
    done = subprocess.run([*command, str(tmp_path / "eic-sshd.service")], capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if "eic-sshd" in line]
    assert complaints == []


def test_unit_of_the_socket_names_the_clients_socket() -> None:
    from eic_sshd import client, paths

    listens = f"ListenStream={client.SOCKET}\n"
    assert listens in (UNITS / "eic-sshd.socket").read_text()
    assert paths.SOCKET == client.SOCKET
