# SPDX-License-Identifier: Apache-2.0
"""The sshd program, and what it prints of its configuration (sshd(8), -t and -T).

Two things are created if a machine that was never booted lacks them, since sshd tests nothing without them: sshd's own
runtime directory, and, in a private temporary folder, a host key.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import subprocess
import tempfile
from typing import Dict, Iterator, List, Optional, Tuple

from .. import paths
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

    def __init__(self, program: str = paths.SSHD, config: str = paths.SSHD_CONFIG) -> None:
        self.program = program
        self.config = config

    def is_installed(self) -> bool:
        """Whether the program exists and may be executed."""
        return os.access(self.program, os.X_OK)

    def version(self) -> Optional[Tuple[int, int]]:
        """OpenSSH's version, such as (9, 2); None if the program does not print it. Raises MachineError."""
        done = run(self.program, "-V")  # without this option, before 9.2, it prints the version with its usage
        found = re.search(r"OpenSSH_([0-9]+)\.([0-9]+)", done.stderr + done.stdout)
        return (int(found.group(1)), int(found.group(2))) if found else None

    def config_problem(self, host_keys: bool = False, addresses: bool = False) -> Optional[str]:
        """Why sshd rejects its configuration; None if it accepts it.

        With `host_keys` it must have a host key of its own, and with `addresses` an address that it can listen at. A
        running sshd needs both to start again; an image may have neither yet.
        """
        done = self._run("-t", lend_host_key=not host_keys)
        if done.returncode != 0:
            return _errors(done)
        return self._address_problem() if addresses else None

    def _address_problem(self) -> Optional[str]:
        """sshd exits if it can listen at none of its addresses (sshd.c, server_listen); they may have been removed."""
        try:
            addresses = [value for keyword, value in self.settings() if keyword == "listenaddress"]
        except MachineError:
            return None  # sshd starts with a configuration that -t accepts
        if not addresses or any(_is_local(address) for address in addresses):
            return None
        return f"this machine no longer has any of its addresses (ListenAddress {', '.join(addresses)})"

    def effective(self, connection: Connection = ORDINARY) -> Dict[str, str]:
        """Keyword, in lower case, to the value in force for `connection`.

        Those that sshd does not print because of their value are included. Raises SshdError where sshd prints none.
        """
        return in_force(self.settings(connection))

    def settings(self, connection: Connection = ORDINARY) -> Settings:
        """All settings in force for `connection`. Raises SshdError where sshd prints none."""
        done = self._run("-T", *connection.options())
        if done.returncode != 0 and "Invalid test mode specification" in done.stderr:
            done = self._run("-T", *connection.options(without=["rdomain"]))
        if done.returncode != 0:
            raise SshdError(f"`{self.program} -T`", f"it prints no settings ({_errors(done)})")
        pairs = (line.partition(" ") for line in done.stdout.splitlines())
        return [(keyword.lower(), value.strip()) for keyword, _, value in pairs]

    def effective_or_nothing(self) -> Dict[str, str]:
        """As effective(); empty where sshd prints no settings."""
        try:
            return self.effective()
        except MachineError:
            return {}

    def _run(self, *options: str, lend_host_key: bool = True) -> subprocess.CompletedProcess[str]:
        """Run it, with a host key of our own where it has none and `lend_host_key` is set."""
        if not self.is_installed():
            raise SshdError(self.program, "the program does not exist", "Install openssh-server")
        command = [self.program, *options, "-f", self.config]
        with contextlib.ExitStack() as stack:
            done = run(*command)
            key = ""
            if lend_host_key and "no hostkeys available" in done.stderr:
                key = stack.enter_context(_host_key())
                command += ["-h", key]
                done = run(*command)
            missing = re.search(r"Missing privilege separation directory: (/\S+)", done.stderr)
            if missing:
                # It is not removed again: sshd's own unit makes it too, and an sshd that starts now needs it.
                os.makedirs(missing.group(1), mode=0o755, exist_ok=True)
                done = run(*command)
            if key:  # it is not one of sshd's settings
                done.stdout = "".join(line for line in done.stdout.splitlines(keepends=True) if key not in line)
            return done


def in_force(settings: Settings) -> Dict[str, str]:
    """Keyword to value; of a keyword that comes several times, the first."""
    return {**_NOT_PRINTED, **dict(reversed(settings))}


def _is_local(address: str) -> bool:
    """Whether this machine can listen at `address` (`1.2.3.4:22`, `[::1]:22`); also where that is not certain."""
    if " rdomain " in address:  # a routing domain has addresses of its own
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(where)
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def _errors(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(lines) or f"exit status {done.returncode}"


@contextlib.contextmanager
def _host_key() -> Iterator[str]:
    """A host key that is never used: an image has none of its own before its first boot."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "key")
        run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", path)
        yield path
