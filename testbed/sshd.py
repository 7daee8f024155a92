# SPDX-License-Identifier: Apache-2.0
"""A private sshd on a loopback port, and an ssh client to log in to it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import List, Optional, Sequence

from .private_host import COMMAND_USER

_PATIENCE = 30.0  # seconds; a busy machine takes a few


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def keygen(path: str, *options: str) -> str:
    """Make a key pair with ssh-keygen (`-t ed25519` unless `options` say otherwise); gives the public key's line."""
    subprocess.run(
        ["ssh-keygen", "-q", "-N", "", "-C", "sandbox", "-f", path, *(options or ("-t", "ed25519"))],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    with open(f"{path}.pub", encoding="ascii") as file:
        return file.read().strip()


@dataclass(frozen=True)
class Login:
    """How one `ssh` went; `seconds` is its wall time."""

    ok: bool
    output: str
    errors: str
    seconds: float


class Sshd:
    """An sshd in `folder`, asking `command` (with its arguments, without `%u %f`); None asks nothing."""

    def __init__(self, folder: str, command: Optional[str], extra: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = os.path.join(folder, "sshd.log")
        self._command = command
        self._extra = extra
        self._process: Optional[subprocess.Popen[bytes]] = None

    def __enter__(self) -> Sshd:
        os.makedirs(os.path.join(self.folder, "authorized_keys"), mode=0o755, exist_ok=True)
        host_key = os.path.join(self.folder, "host_key")
        if not os.path.exists(host_key):
            keygen(host_key)
        config = os.path.join(self.folder, "sshd_config")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(self._config(host_key)) + "\n")
        with open(self.log, "ab") as log:
            binary = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin") or "/usr/sbin/sshd"
            self._process = subprocess.Popen([binary, "-D", "-e", "-f", config], stderr=log, stdin=subprocess.DEVNULL)
        self._wait()
        return self

    def _config(self, host_key: str) -> List[str]:
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {host_key}",
            "PidFile none",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "LogLevel VERBOSE",
            "MaxStartups 300",
            "MaxAuthTries 20",
            *self._extra,
        ]
        if not any(line.startswith("AuthorizedKeysFile") for line in self._extra):
            lines.append(f"AuthorizedKeysFile {self.folder}/authorized_keys/%u")
        if self._command is not None:
            lines += [f"AuthorizedKeysCommand {self._command} %u %f", f"AuthorizedKeysCommandUser {COMMAND_USER}"]
        return lines

    def _wait(self) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < _PATIENCE:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(0.02)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise RuntimeError(f"sshd did not start: {log.read()}")

    @property
    def pid(self) -> int:
        """Of the process that waits for connections, once it is started."""
        assert self._process is not None
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=_PATIENCE)

    def authorize(self, user: str, line: str) -> None:
        """Put `line` into the user's AuthorizedKeysFile."""
        path = os.path.join(self.folder, "authorized_keys", user)
        with open(path, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(line + "\n")

    def login(
        self,
        user: str,
        keys: Sequence[str],
        command: str = "id -un",
        options: Sequence[str] = (),
        agent: Optional[str] = None,
    ) -> Login:
        """Log in as `user`, offering the private `keys` in order (or those of the agent at a socket)."""
        identities = [option for key in keys for option in ("-i", key)]
        arguments = [
            "ssh", "-F", "none", "-p", str(self.port), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20",
            "-o", f"IdentitiesOnly={'no' if agent else 'yes'}", "-o", f"IdentityAgent={agent or 'none'}",
            *options, *identities, f"{user}@127.0.0.1", command,
        ]  # fmt: skip
        begun = time.monotonic()
        done = subprocess.run(arguments, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        elapsed = time.monotonic() - begun
        return Login(done.returncode == 0, done.stdout.strip(), done.stderr.strip(), elapsed)
