# SPDX-License-Identifier: Apache-2.0
"""The sandbox as a service of systemd: its unit, and the notification that it is ready."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from testbed import processes
from tools.documents import ROOT

UNIT = Path(ROOT) / "systemd/eic-sandbox.service"


@pytest.mark.parametrize("abstract", [False, True])
def test_the_sandbox_notifies_systemd_when_it_listens(abstract: bool, tmp_path: Path) -> None:
    path = f"@eic-sandbox-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path.replace("@", "\0"))
        manager.settimeout(60)
        command = processes.sandbox_command(str(tmp_path))
        environment = {**os.environ, "NOTIFY_SOCKET": path}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
            try:
                assert manager.recv(100) == b"READY=1"
                host, _, port = json.loads((tmp_path / "sandbox.json").read_text())["endpoints"]["api"][7:].partition(
                    ":"
                )
                socket.create_connection((host, int(port)), timeout=60).close()
            finally:
                process.send_signal(signal.SIGTERM)
        assert process.returncode == 0


def test_a_missing_manager_does_not_stop_the_sandbox(tmp_path: Path) -> None:
    command = processes.sandbox_command(str(tmp_path))
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "missing")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        processes.await_sandbox(process, str(tmp_path))
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit() -> None:
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert [line for line in done.stderr.splitlines() if "eic-sandbox" in line] == []


@pytest.mark.parametrize("world", [True, False])
def test_the_unit_passes_the_world_file_only_if_there_is_one(world: bool, tmp_path: Path) -> None:
    """Its command line, as systemd gives it to sh, with another path and a command that prints its arguments."""
    text = UNIT.read_text().split("ExecStart=/bin/sh -c '")[1].split("' eic-sandbox\n")[0]
    script = text.replace("\\\n", " ").replace("$$", "$").replace("%t", "/run")
    script = script.replace("/etc/eic-sandbox/world.yaml", str(tmp_path / "world.yaml"))
    script = script.replace("/usr/bin/eic-sandbox", "echo")
    if world:
        (tmp_path / "world.yaml").write_text("")
    environment = {"EIC_SANDBOX_OPTIONS": "--api-port 8080", "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", script, "eic-sandbox"], env=environment, capture_output=True, text=True)
    expected = f"--world {tmp_path}/world.yaml " if world else ""
    assert done.stdout == f"run --directory /run/eic-sandbox {expected}--api-port 8080\n", done.stderr
