# SPDX-License-Identifier: Apache-2.0
"""The command eic-sandbox."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from eic_sandbox.faults import ALL
from testbed import processes

from .metadata import ID


def eic_sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eic_sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a sandbox that was started by its command describes itself."""
    directory = tmp_path_factory.mktemp("sandbox")
    command = processes.sandbox_command(str(directory))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        processes.await_sandbox(process, str(directory))
        yield directory
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_eic_sandbox_run_writes_files_that_eic_sshd_accepts(folder: Path) -> None:
    assert json.loads((folder / "sandbox.json").read_text())["instance"]["instance_id"] == ID
    assert (folder / "root.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
    checked = subprocess.run(
        [sys.executable, "-m", "eic_sshd", "check-config", "--config", str(folder / "eic-sshd.conf")],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert checked.returncode == 0
    assert f"ca_file = {folder / 'root.pem'}\n" in checked.stdout


def test_eic_sandbox_controls_a_running_sandbox(folder: Path, ed25519: str) -> None:
    at = ["--directory", str(folder)]
    assert json.loads(eic_sandbox("fault", *at, "slow", "--times", "3").stdout)["faults"][0]["times"] == 3
    assert json.loads(eic_sandbox("clear", *at).stdout)["faults"] == []
    assert json.loads(eic_sandbox("rotate", *at, "signer").stdout)["faults"] == []
    (folder / "key.pub").write_text(ed25519)
    assert json.loads(eic_sandbox("push", *at, "root", str(folder / "key.pub")).stdout)["request_id"]
    assert json.loads(eic_sandbox("status", *at).stdout)["endpoints"]["imds"].startswith("http://127.0.0.1:")


def test_eic_sandbox_faults_lists_every_fault() -> None:
    assert [line.split()[0] for line in eic_sandbox("faults").stdout.splitlines()] == list(ALL)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status", "--directory", "/nonexistent"], "/nonexistent/sandbox.json: no such file"),
        (["status", "--control", "http://127.0.0.1:9"], "control API: no answer"),
        (["run", "--instance-id", "x"], "--instance-id: invalid ('x')"),
        (["run", "--imds-port", "99999"], "--imds-port: out of range (99999)"),
        (["run", "--api-port", "-1"], "--api-port: out of range (-1)"),
        (["run", "--window", "0"], "--window: out of range (0)"),
        (["run", "--region", ""], "--region: invalid ('')"),
        (["run", "--host", "192.0.2.1"], "imds: cannot listen on 192.0.2.1"),
        (["status", "--control", "nonsense"], "control API: no answer"),
        (["push", "root", "/usr/bin/env"], "/usr/bin/env: not a public key"),
        (["push", "--control", "http://127.0.0.1:9", "root", "/nonexistent"], "/nonexistent"),
    ],
)
def test_an_error_of_eic_sandbox_is_one_line(arguments: list[str], says: str) -> None:
    done = eic_sandbox(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["fault", "nonsense"], [], ["nonsense"], ["rotate", "x"]])
def test_wrong_arguments_of_eic_sandbox_are_a_usage_error(arguments: list[str]) -> None:
    done = eic_sandbox(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_that_is_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = eic_sandbox("run", "--imds-port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "imds: cannot listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_standard_output_that_cannot_be_written_is_an_error_of_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "eic_sandbox", "faults"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (1, "eic-sandbox: standard output: No space left on device\n")
