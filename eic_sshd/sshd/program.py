# SPDX-License-Identifier: Apache-2.0
"""The machine's sshd, asked what it makes of its configuration (sshd(8), -t and -T)."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import subprocess
import tempfile
from typing import Dict, Iterator, List, Optional, Tuple

from ..host.errors import MachineError
from ..host.run import run
from .config_file import COMMAND, COMMAND_USER
from .connections import ORDINARY, Connection

# Each setting in force: its keyword in lower case, and its value. A keyword may come several times.
Settings = List[Tuple[str, str]]

# OpenSSH 10.6 prints no line for a setting with one of these values; older ones do.
_NOT_PRINTED = {COMMAND: "none", COMMAND_USER: "none", "authorizedkeysfile": "none", "authenticationmethods": "any"}


class SshdError(MachineError):
    """sshd is not installed, or does not print its settings."""


class Sshd:
    """The sshd at `program`, with the configuration at `config`."""

    def __init__(self, program: str = "/usr/sbin/sshd", config: str = "/etc/ssh/sshd_config") -> None:
        self.program = program
        self.config = config

    def is_there(self) -> bool:
        return os.access(self.program, os.X_OK)

    def problem(self, host_keys: bool = False, addresses: bool = False) -> Optional[str]:
        """What sshd finds wrong with its configuration; None if nothing.

        One that runs must find its host keys and its addresses when it starts again; an image may have none yet.
        """
        done = self._run("-t", lending=not host_keys)
        if done.returncode != 0:
            return _said(done)
        return self._address_problem() if addresses else None

    def _address_problem(self) -> Optional[str]:
        """sshd ends where it can listen nowhere (sshd.c, server_listen): addresses may have gone since it started."""
        try:
            addresses = [value for keyword, value in self.settings() if keyword == "listenaddress"]
        except MachineError:
            return None  # sshd starts with a configuration that -t takes
        if not addresses or any(_is_here(address) for address in addresses):
            return None
        return f"this machine has none of its addresses any more (ListenAddress {', '.join(addresses)})"

    def effective(self, connection: Connection = ORDINARY) -> Dict[str, str]:
        """Keyword, in lower case, to the value in force for `connection`; those that sshd leaves out because of their
        value are there. Raises SshdError where sshd does not say."""
        return in_force(self.settings(connection))

    def settings(self, connection: Connection = ORDINARY) -> Settings:
        """All that is in force for `connection`. Raises SshdError where sshd does not say."""
        done = self._run("-T", *connection.options())
        if done.returncode != 0 and "Invalid test mode specification" in done.stderr:
            done = self._run("-T", *connection.options(but_for=["rdomain"]))
        if done.returncode != 0:
            raise SshdError(f"`{self.program} -T` fails, so what is in force can't be known: {_said(done)}")
        pairs = (line.partition(" ") for line in done.stdout.splitlines())
        return [(keyword.lower(), value.strip()) for keyword, _, value in pairs]

    def effective_or_nothing(self) -> Dict[str, str]:
        """As `effective`; nothing, where sshd does not say."""
        try:
            return self.effective()
        except MachineError:
            return {}

    def _run(self, *options: str, lending: bool = True) -> subprocess.CompletedProcess[str]:
        """Run it; what a machine that was never booted lacks, though its configuration is in order, may be lent."""
        if not self.is_there():
            raise SshdError(f"there is no {self.program}: install openssh-server")
        command = [self.program, *options, "-f", self.config]
        with contextlib.ExitStack() as lent:
            done = run(*command)
            key = ""
            if lending and "no hostkeys available" in done.stderr:
                key = lent.enter_context(_host_key())
                command += ["-h", key]
                done = run(*command)
            missing = re.search(r"Missing privilege separation directory: (/\S+)", done.stderr)
            if missing:
                # Left there: sshd's own unit makes it when it starts sshd, and one that starts now must not miss it.
                os.makedirs(missing.group(1), mode=0o755, exist_ok=True)
                done = run(*command)
            if key:  # it is none of sshd's settings
                done.stdout = "".join(line for line in done.stdout.splitlines(keepends=True) if key not in line)
            return done


def in_force(settings: Settings) -> Dict[str, str]:
    """Keyword to value; of a keyword that comes several times, the first."""
    return {**_NOT_PRINTED, **dict(reversed(settings))}


def _is_here(address: str) -> bool:
    """Whether `address` (`1.2.3.4:22`, `[::1]:22`) is one to listen at; only what is surely not is none."""
    if " rdomain " in address:  # it has addresses of its own
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(where)
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(lines) or f"exit status {done.returncode}"


@contextlib.contextmanager
def _host_key() -> Iterator[str]:
    """A key that nobody will ever see: an image has none of its own before its first start."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "key")
        run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", path)
        yield path
