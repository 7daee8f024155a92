# SPDX-License-Identifier: Apache-2.0
"""A real sshd on a loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import List, Optional, Sequence

from . import ssh, waiting
from .private_host import COMMAND_USER
from .ssh import Login

_STOP_TIMEOUT = 30.0  # seconds; a busy machine needs a few


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Sshd:
    """An sshd with its files in `folder`. Its AuthorizedKeysCommand is `command` with the tokens; None sets none."""

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
            ssh.keygen(host_key)
        config = os.path.join(self.folder, "sshd_config")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(self._config(host_key)) + "\n")
        with open(self.log, "ab") as log:
            binary = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin") or "/usr/sbin/sshd"
            self._process = subprocess.Popen([binary, "-D", "-e", "-f", config], stderr=log, stdin=subprocess.DEVNULL)
        self._await_port()
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
            lines += [
                f"AuthorizedKeysCommand {self._command} --token U=%U %u %f",
                f"AuthorizedKeysCommandUser {COMMAND_USER}",
            ]
        return lines

    def _await_port(self) -> None:
        """Raises RuntimeError with sshd's log if sshd ends."""
        waiting.until(lambda: self._accepts_connections() or self._has_ended(), "sshd listens")
        if not self._accepts_connections():
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"sshd did not start: {log.read()}")

    def _accepts_connections(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    @property
    def pid(self) -> int:
        """The process that waits for connections."""
        assert self._process is not None
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=_STOP_TIMEOUT)

    def authorize(self, user: str, line: str) -> None:
        """Write `line` to the user's AuthorizedKeysFile."""
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
        """Log in as `user` and run `command`; `keys` and `agent` are those of ssh.command."""
        arguments = ssh.command(user, self.port, keys, agent, options)
        return ssh.login([*arguments, command])
