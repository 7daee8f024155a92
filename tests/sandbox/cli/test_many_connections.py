# SPDX-License-Identifier: Apache-2.0
"""More connections than the sandbox may have open files."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator
from urllib.parse import urlsplit

from eic_sandbox import cli
from testbed import processes

_FILES, _CONNECTIONS = 64, 100
_TIMEOUT = 30.0  # seconds
_MESSAGE = "eic-sandbox: too many connections (Too many open files). Close some.\n"


@contextlib.contextmanager
def limited(folder: Path, option: str) -> Iterator[Path]:
    """A sandbox that runs with this option of `ulimit`, _CONNECTIONS to its API, and its standard error."""
    command = ["sh", "-c", f'ulimit {option} {_FILES}; exec "$@"', "sh", *processes.sandbox_command(str(folder / "s"))]
    errors = folder / "errors"
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(errors.open("w"))
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True))
        stack.callback(process.kill)
        url = urlsplit(processes.await_sandbox(process, str(folder / "s")).endpoints["api"])
        with contextlib.ExitStack() as connections:
            for _ in range(_CONNECTIONS):
                connections.enter_context(socket.create_connection((url.hostname or "", url.port or 0), _TIMEOUT))
            yield errors
        assert cli.main(["status", "--directory", str(folder / "s")]) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(_TIMEOUT) == 0


def test_connections_that_cannot_be_accepted_are_one_message_and_wait(tmp_path: Path) -> None:
    with limited(tmp_path, "-n") as errors:
        deadline = time.monotonic() + _TIMEOUT
        while not errors.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert errors.read_text() == _MESSAGE


def test_the_sandbox_takes_as_many_open_files_as_the_system_allows(tmp_path: Path) -> None:
    with limited(tmp_path, "-S -n"):
        assert cli.main(["status", "--directory", str(tmp_path / "s")]) == 0
    assert (tmp_path / "errors").read_text() == ""
