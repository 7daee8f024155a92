# SPDX-License-Identifier: Apache-2.0
"""The resident daemon as a process of its own, and requests to it through the installed client."""

from __future__ import annotations

import concurrent.futures
import contextlib
import signal
import socket
import subprocess
from pathlib import Path
from typing import Iterator, List, Optional

from testbed import processes, waiting
from testbed.keys import fingerprint

from .installed_client import USER, Answer, Client


class Daemon:
    """`eic-sshd serve` for `client`, which asks at its socket while it runs."""

    def __init__(self, client: Client, stderr: Optional[int] = None) -> None:
        self.client = client
        self.errors = client.config.parent / "daemon.stderr"
        self._stderr = stderr
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.client.socket = str(self.client.config.parent / "authorize.sock")
        tree = str(Path(self.client.command).parents[3])
        with self.errors.open("ab") as errors:
            stderr = errors.fileno() if self._stderr is None else self._stderr
            return processes.daemon(tree, self.client.socket, str(self.client.config), stderr=stderr)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        return self.process.wait(timeout=15)


def reads(client: Client) -> int:
    """The number of requests to IMDS since the last call."""
    count = len(client.sandbox.imds.requests)
    client.sandbox.imds.requests.clear()
    return count


def ask(client: Client, line: Optional[str] = None, user: str = USER) -> Answer:
    return client.ask(user, None if line is None else fingerprint(line))


@contextlib.contextmanager
def asking(client: Client, line: str) -> Iterator[concurrent.futures.Future[Answer]]:
    """A request under way; the result of the future is its answer."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        client.sandbox.imds.requests.clear()
        future = pool.submit(ask, client, line)
        waiting.until(lambda: client.sandbox.imds.requests, "a request to IMDS")
        yield future


@contextlib.contextmanager
def connected(client: Client, *spoken: bytes) -> Iterator[List[socket.socket]]:
    with contextlib.ExitStack() as stack:
        peers = []
        for words in spoken:
            peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            peer.settimeout(5)
            peer.connect(client.socket)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                peer.sendall(words)
            peers.append(peer)
        yield peers
