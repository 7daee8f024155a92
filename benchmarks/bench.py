# SPDX-License-Identifier: Apache-2.0
"""The installed tree, the sandbox and the resident daemon that the cases share."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import requests

from testbed import keys, private_host, processes
from testbed.ssh import keygen
from tools.documents import ROOT

from .measure import ran

USER = "ec2-user" if private_host.is_inside() else "root"


class Bench:
    """The installed tree, the sandbox and the daemon of one run, in `folder`."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={self.tree}"], check=True)
        self.client = str(self.tree / "usr/lib/eic-sshd/authorized-keys")
        sandbox = stack.enter_context(processes.sandbox(str(folder / "sandbox"), "--window", "3000"))
        if os.geteuid() == 0:  # the real IMDS does not compete for this machine's processors
            os.setpriority(os.PRIO_PROCESS, sandbox.pid, -15)
        self._control = sandbox.endpoints["control"]
        self._session = stack.enter_context(requests.Session())
        self._session.trust_env = False
        self._numbers = itertools.count()
        self.uid = private_host.ACCOUNTS[private_host.COMMAND_USER] if private_host.is_inside() else os.geteuid()
        run_folder = folder / "run"
        run_folder.mkdir()
        os.chown(run_folder, self.uid, -1)
        log = run_folder / "decisions.jsonl"  # root's client and the daemon both write to it
        log.touch()
        log.chmod(0o666)
        self._stack = stack
        self.imds = sandbox.endpoints["imds"]
        self.config = self.write_config("warm.conf")
        self.socket, self.service = self.start_daemon("authorize.sock", self.config)

    def start_daemon(self, name: str, config: str) -> Tuple[str, subprocess.Popen[bytes]]:
        """Start a daemon with `config`. Returns the path of its socket, and its process."""
        path = str(self.folder / "run" / name)
        service = processes.daemon(str(self.tree), path, config, self.uid)
        self._stack.callback(lambda: processes.stop(service))
        return path, service

    def write_config(self, name: str, endpoint: str = "", extra: str = "") -> str:
        """Write a configuration for the sandbox, or for another `endpoint` of IMDS. Returns its path."""
        text = (self.folder / "sandbox/eic-sshd.conf").read_text()
        lines = [f"endpoint = {endpoint}" if endpoint and "endpoint" in line else line for line in text.splitlines()]
        path = self.folder / name
        log = f"[log]\ndestination = {self.folder}/run/decisions.jsonl\n"
        path.write_text("\n".join(lines) + f"\n[keys]\nwindow = 3600\n{log}{extra}")
        path.chmod(0o644)
        return str(path)

    def client_command(self, *rest: str, config: str = "", socket: str = "") -> List[str]:
        """A command line of the client, as sshd runs it."""
        return [self.client, "--socket", socket or self.socket, "--config", config or self.config, *rest]

    def control(self, method: str, path: str, body: Optional[Dict[str, str]] = None) -> Dict[str, object]:
        """What the control API of the sandbox answers. Raises requests.HTTPError for a status of 400 and above."""
        answer = self._session.request(method, f"{self._control}/{path}", json=body, timeout=5)
        answer.raise_for_status()
        found: Dict[str, object] = answer.json()
        return found

    def key(self) -> str:
        """Make a key pair. Returns the path of the private key."""
        path = str(self.folder / f"key{next(self._numbers)}")
        keygen(path)
        return path

    def push(self, *keys: str) -> None:
        """Push these keys, remove all others, and clear all faults."""
        self.control("DELETE", "faults")
        self.control("DELETE", "keys")
        for key in keys:
            self.control("POST", "keys", {"user": USER, "key": Path(f"{key}.pub").read_text()})

    def clear_cache(self) -> None:
        """Clear the daemon's cache: it reads its configuration again."""
        self.service.send_signal(signal.SIGHUP)
        time.sleep(0.05)

    def imds_requests(self) -> int:
        """How many requests IMDS has had since the sandbox started, tokens included."""
        count = self.control("GET", "status")["imds_requests"]
        assert isinstance(count, int)
        return count

    def printed_keys(self, key: str, config: str = "", socket: str = "") -> str:
        """What the client prints for `key`; not timed."""
        return ran(self.client_command(USER, fingerprint(key), config=config, socket=socket)).printed.decode()


def memory_mib(pid: int, field: str) -> float:
    """A field of proc_pid_status(5) in MiB: VmRSS is what is resident now, VmHWM the most that ever was."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:")) / 1024


def fingerprint(key: str) -> str:
    """The fingerprint of the key pair whose private key is at `key`."""
    return keys.fingerprint(Path(f"{key}.pub").read_text())
