# SPDX-License-Identifier: Apache-2.0
"""The sandbox and the resident authorizer as processes of their own, for the demo, the tests and the benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, List, Optional

_PATIENCE = 30.0  # seconds; a busy machine takes a few


class DidNotStart(RuntimeError):
    """A process did not come up in time; says which."""


@contextlib.contextmanager
def sandbox(folder: str, *options: str) -> Iterator[Dict[str, Any]]:
    """A sandbox that describes itself in `folder`; gives what its sandbox.json says."""
    command = [sys.executable, "-m", "eic_sandbox", "run", "--directory", folder, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if not any(line == "ready\n" for line in process.stdout):
            raise DidNotStart("the sandbox did not start")
        try:
            with open(os.path.join(folder, "sandbox.json"), encoding="utf-8") as file:
                yield json.load(file)
        finally:
            process.terminate()


def authorizer(
    tree: str, path: str, config: str, uid: Optional[int] = None, stderr: Optional[int] = None
) -> subprocess.Popen[bytes]:
    """`eic-sshd serve` of an installed tree at the socket `path`, once it answers; as `uid`, complaining to `stderr`.

    Without these it runs as this user and complains where this process does.
    """
    command: List[str] = [os.path.join(tree, "usr/bin/eic-sshd"), "serve", "--socket", path, "--config", config]
    if uid is not None:
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    process = subprocess.Popen(command, stderr=stderr, env={})
    await_socket(path, process)
    return process


def await_socket(path: str, process: subprocess.Popen[bytes]) -> None:
    """Return once something listens at `path`. Raises DidNotStart if `process` ends before or takes too long."""
    begun = time.monotonic()
    while time.monotonic() - begun < _PATIENCE and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        time.sleep(0.01)
    raise DidNotStart(f"nothing listens at {path}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate `process` and wait for its end."""
    process.terminate()
    process.wait(timeout=_PATIENCE)
