# SPDX-License-Identifier: Apache-2.0
"""Logins to a machine with the host's own ssh, in the machine's network."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from dataclasses import dataclass
from typing import Iterator, List, Sequence

from .. import ssh
from ..ssh import Login
from .machine import Machine

USER, OTHER = "ec2-user", "deploy"


@dataclass(frozen=True)
class Key:
    """A key pair: the path of the private key, the line of the public key."""

    path: str
    line: str


class Client:
    """Logs in to `machine`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._counter = itertools.count()

    def key(self) -> Key:
        """A new Ed25519 key."""
        path = str(self._machine.folder / f"key-{next(self._counter)}")
        return Key(path, ssh.keygen(path))

    def put_on_disk(self, key: Key, user: str = USER) -> None:
        """Add `key` to the authorized_keys of `user`."""
        folder = f"/home/{user}/.ssh"
        self._machine.shell(
            f"mkdir -p {folder}; echo '{key.line}' >>{folder}/authorized_keys; "
            f"chmod 0700 {folder}; chmod 0600 {folder}/authorized_keys; chown -R {user}: {folder}"
        )

    def arguments(self, keys: Sequence[Key], user: str, port: int = 22) -> List[str]:
        """An ssh command line without the remote command.

        Each has another source address: OpenSSH 9.8 and later refuse addresses from which logins fail too often
        (PerSourcePenalties).
        """
        number = next(self._counter)
        address = f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"
        paths = [key.path for key in keys]
        return [*self._machine.network, *ssh.command(user, port, paths, options=["-b", address])]

    def login(self, *keys: Key, user: str = USER, command: str = "id -un", port: int = 22) -> Login:
        """Log in as `user` and run `command`; offers `keys` in order."""
        return ssh.login([*self.arguments(keys, user, port), command])


class Session:
    """A login that stays open; its remote command repeats each line."""

    def __init__(self, client: Client, key: Key, user: str = USER) -> None:
        self._ssh = subprocess.Popen(
            [*client.arguments([key], user), "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._words = itertools.count()
        assert self.lives()

    def lives(self) -> bool:
        """Whether the session still answers."""
        assert self._ssh.stdin is not None
        assert self._ssh.stdout is not None
        word = f"word {next(self._words)}\n"
        try:
            self._ssh.stdin.write(word)
            self._ssh.stdin.flush()
        except OSError:
            return False
        return self._ssh.stdout.readline() == word

    def end(self) -> None:
        """Kill ssh, and wait for it."""
        self._ssh.kill()
        self._ssh.communicate(timeout=10)


@contextlib.contextmanager
def session(client: Client, key: Key) -> Iterator[Session]:
    """A session that ends with the block."""
    held = Session(client, key)
    try:
        yield held
    finally:
        held.end()
