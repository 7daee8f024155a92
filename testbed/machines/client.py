# SPDX-License-Identifier: Apache-2.0
"""The person who logs in: the host's own ssh, in the machine's network."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Sequence

from testbed.sshd import Login, keygen

from .machine import Machine

USER, OTHER = "ec2-user", "deploy"
_PAUSE = 0.01  # seconds between two steps of it
_TURNED_AWAY = ("Connection refused", "Connection reset")
_RETRY = 0.5  # seconds: sshd may be that slow on a machine that has other things to do
_BOUND = 100_000  # steps of a loop that goes on until it is told to end


@dataclass(frozen=True)
class Key:
    """A key pair: the private one's path, the public one's line."""

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
        return Key(path, keygen(path))

    def put_on_disk(self, key: Key, user: str = USER) -> None:
        """Let `user` in by AuthorizedKeysFile."""
        folder = f"/home/{user}/.ssh"
        self._machine.shell(
            f"mkdir -p {folder}; echo '{key.line}' >>{folder}/authorized_keys; "
            f"chmod 0700 {folder}; chmod 0600 {folder}/authorized_keys; chown -R {user}: {folder}"
        )

    def arguments(self, keys: Sequence[Key], user: str, port: int = 22) -> List[str]:
        """An ssh command line, but for what to run. Each comes from an address of its own, as people do: OpenSSH 9.8
        and later shut addresses out that fail too often (PerSourcePenalties)."""
        number = next(self._counter)
        address = f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"
        identities = [option for key in keys for option in ("-i", key.path)]
        return [
            *self._machine.network, "ssh", "-F", "none", "-p", str(port), "-b", address, "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            "-o", "ConnectTimeout=20", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", *identities,
            f"{user}@127.0.0.1",
        ]  # fmt: skip

    def login(self, *keys: Key, user: str = USER, command: str = "id -un", port: int = 22) -> Login:
        """Log in as `user`, offering `keys` in order."""
        begun = time.monotonic()
        done = subprocess.run(
            [*self.arguments(keys, user, port), command],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=90,
        )
        return Login(done.returncode == 0, done.stdout.strip(), done.stderr.strip(), time.monotonic() - begun)


class Session:
    """A login that stays: a shell that answers as long as it lives."""

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
        """Whether it still answers."""
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
        self._ssh.kill()
        self._ssh.communicate(timeout=10)


@contextlib.contextmanager
def session(client: Client, key: Key) -> Iterator[Session]:
    """A session for as long as the block lasts."""
    held = Session(client, key)
    try:
        yield held
    finally:
        held.end()


class Background:
    """Does `step` again and again on a thread; `step` gives what went wrong, or None. Also counts."""

    def __init__(self, step: Callable[[], Optional[str]]) -> None:
        self._step = step
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done = 0
        self.wrong: List[str] = []

    def _run(self) -> None:
        for _ in range(_BOUND):
            if self._end.is_set():
                return
            try:
                said = self._step()
            except Exception as error:
                said = repr(error)
            if said is not None:
                self.wrong.append(said)
            self.done += 1
            time.sleep(_PAUSE)

    def wait_for(self, count: int) -> None:
        """Wait until `count` steps are done, but not for ever."""
        for _ in range(600):
            if self.done >= count:
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.done} steps in a minute, not {count}")

    def require_nothing_wrong(self) -> None:
        assert not self.wrong, f"{len(self.wrong)} of {self.done}: {'; '.join(self.wrong[:5])}"

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(timeout=120)


class Port:
    """Whenever sshd is told to read its configuration, whoever has it do so, its port is closed for some 20 ms (sshd.c,
    sighup_restart): one login may be turned away at it, and is tried once more."""

    def __init__(self) -> None:
        self._may_be_closed = False

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """While sshd is told, once."""
        self._may_be_closed = True
        yield
        self._may_be_closed = False

    def turned_away(self, login: Login) -> bool:
        """Whether `login` found it closed as it may be."""
        excused = self._may_be_closed and any(sign in login.errors for sign in _TURNED_AWAY)
        self._may_be_closed = self._may_be_closed and not excused
        return excused


def logins(client: Client, *keys: Key, port: Optional[Port] = None) -> Background:
    """Logins without end; what is wrong with one that fails."""

    def step() -> Optional[str]:
        login = client.login(*keys)
        if port is not None and port.turned_away(login):
            time.sleep(_RETRY)
            login = client.login(*keys)
        return None if login.output == USER else f"a login failed: {login.errors}"

    return Background(step)


def sshd_tests(machine: Machine) -> Background:
    """`sshd -t` without end."""

    def step() -> Optional[str]:
        done = machine.run("sshd", "-t", check=False)
        said = (done.stdout + done.stderr).strip()
        return None if done.returncode == 0 and not said else f"sshd -t: {done.returncode} {said}"

    return Background(step)
