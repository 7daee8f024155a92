# SPDX-License-Identifier: Apache-2.0
"""The sandbox and the resident daemon as processes, for the demo, the tests and the benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import Iterator, List, Mapping, Optional, Sequence

from . import waiting
from .namespaces import as_uid

_STOP_TIMEOUT = 30.0  # seconds; a busy machine needs a few


class DidNotStart(RuntimeError):
    """A process did not start in time."""


@dataclass(frozen=True)
class SandboxStatus:
    """The contents of a sandbox's sandbox.json: its URLs by name, its instance's metadata."""

    pid: int
    endpoints: Mapping[str, str]
    instance: Mapping[str, str]


def sandbox_command(folder: str, *options: str) -> List[str]:
    """The command of a sandbox that writes its files to `folder`."""
    return [sys.executable, "-m", "eic_sandbox", "run", "--directory", folder, *options]


def await_sandbox(process: subprocess.Popen[str], folder: str) -> SandboxStatus:
    """Wait until the sandbox `process` listens. Raises DidNotStart."""
    assert process.stdout is not None
    if not any(line == "ready\n" for line in process.stdout):
        raise DidNotStart("the sandbox did not start")
    with open(os.path.join(folder, "sandbox.json"), encoding="utf-8") as file:
        status = json.load(file)
    return SandboxStatus(status["pid"], status["endpoints"], status["instance"])


@contextlib.contextmanager
def sandbox(folder: str, *options: str) -> Iterator[SandboxStatus]:
    """A running sandbox that writes its files to `folder`."""
    with subprocess.Popen(sandbox_command(folder, *options), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield await_sandbox(process, folder)
        finally:
            process.terminate()


def serve_command(tree: str, *options: str, uid: Optional[int] = None) -> List[str]:
    """`eic-sshd serve` of the installed tree, as `uid` or as this user."""
    command = [os.path.join(tree, "usr/bin/eic-sshd"), "serve", *options]
    return command if uid is None else as_uid(uid, command)


def daemon(
    tree: str, path: str, config: str, uid: Optional[int] = None, stderr: Optional[int] = None
) -> subprocess.Popen[bytes]:
    """A resident daemon of the installed tree that listens at the socket `path`. Raises DidNotStart."""
    command = serve_command(tree, "--socket", path, "--config", config, uid=uid)
    process = subprocess.Popen(command, stderr=stderr, env={})
    await_socket(path, process)
    return process


def await_socket(path: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the socket `path` accepts connections. Raises DidNotStart if `process` ends, or after 30 s."""
    try:
        waiting.until(lambda: accepts_connections(path) or process.poll() is not None, f"a listener at {path}")
    except waiting.TimedOut as problem:
        raise DidNotStart(str(problem)) from None
    if not accepts_connections(path):
        raise DidNotStart(f"nothing listens at {path}: the process ended with status {process.poll()}")


def accepts_connections(path: str) -> bool:
    """Whether the Unix socket at `path` accepts connections."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def socket_activated(
    path: str, command: Sequence[str], uid: Optional[int] = None, environment: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start systemd-socket-activate, which listens at `path` and runs `command` at the first connection.

    `environment` are NAME=VALUE strings for the command. Raises TimedOut.
    """
    settings = [part for setting in environment for part in ("-E", setting)]
    activate = ["systemd-socket-activate", *settings, "-l", path, *command]
    process = subprocess.Popen(
        activate if uid is None else as_uid(uid, activate), stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}
    )
    waiting.until(lambda: os.path.exists(path), f"a socket at {path}")
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate `process` and wait until it ends."""
    process.terminate()
    process.wait(timeout=_STOP_TIMEOUT)
