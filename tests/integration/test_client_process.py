# SPDX-License-Identifier: Apache-2.0
"""The process that sshd runs: its output is one write (I2), and its environment has no effect (I3)."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import keys
from testbed.keys import fingerprint

from .installed_client import CALLER, USER, Client, bare


@pytest.mark.parametrize("closed", ["0>&-", "1>&-", "2>&-", "1>&- 2>&-", "0>&- 1>&- 2>&-"])
def test_closed_streams_change_no_decision(client: Client, ed25519: str, closed: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *client.arguments(USER, fingerprint(ed25519))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "" if "1>" in closed else bare(ed25519))
    assert done.stderr == ""
    (record,) = client.log.read_text().splitlines()
    assert json.loads(record)["reason"] == "granted"


def test_many_keys_are_printed_in_one_write(client: Client) -> None:
    lines = [keys.ed25519_line() for _ in range(50)]
    for line in lines:
        client.sandbox.instance.push(USER, line, CALLER)
    # A datagram socket keeps each write apart.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        subprocess.run(client.arguments(USER), stdout=theirs.fileno(), timeout=20, check=True)
        ours.setblocking(False)
        written = ours.recv(1 << 20)
        with pytest.raises(BlockingIOError):
            ours.recv(1)
    assert len(written) == sum(len(bare(line)) for line in lines)


def test_closed_pipe_to_sshd_is_not_an_error(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    process = subprocess.Popen(client.arguments(USER), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=20), errors) == (0, b"")


def test_environment_variables_have_no_effect(client: Client, ed25519: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    evil = f"open({str(trap)!r}, 'a').write(__name__ + chr(10))\n"
    modules = tmp_path / "modules"
    site = tmp_path / f".local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for folder in (modules, site):
        folder.mkdir(parents=True)
        for name in ("requests", "cryptography", "json", "eic_sshd", "sitecustomize", "usercustomize", "posix"):
            (folder / f"{name}.py").write_text(evil)
        (folder / "evil.pth").write_text(f"import os; {evil}")
    (tmp_path / "openssl.cnf").write_text(".include /nonexistent\n")
    client.sandbox.instance.push(USER, ed25519, CALLER)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = "http://127.0.0.1:%d" % proxy.getsockname()[1]
        env = {
            **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"), url),
            "PATH": str(modules),
            "HOME": str(tmp_path),
            "PYTHONPATH": str(modules),
            "PYTHONSTARTUP": str(modules / "json.py"),
            "PYTHONHOME": str(modules),
            "PYTHONUSERBASE": str(tmp_path / ".local"),
            "PYTHONPYCACHEPREFIX": str(modules),
            "PYTHONWARNINGS": "error",
            "PYTHONVERBOSE": "1",
            "OPENSSL_CONF": str(tmp_path / "openssl.cnf"),
            "OPENSSL_MODULES": str(modules),
            "SSL_CERT_FILE": str(tmp_path / "openssl.cnf"),
            "REQUESTS_CA_BUNDLE": str(tmp_path / "openssl.cnf"),
            "LC_ALL": "C",
            "TZ": "Pacific/Kiritimati",
        }
        answer = client.ask(fingerprint=fingerprint(ed25519), env=env)
    assert (answer.printed, answer.errors) == (bare(ed25519), "")
    assert not trap.exists(), trap.read_text()


def test_client_works_with_an_empty_environment(client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert client.ask(fingerprint=fingerprint(ed25519), env={}).printed == bare(ed25519)
