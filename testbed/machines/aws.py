# SPDX-License-Identifier: Apache-2.0
"""The AWS side of a machine: a sandbox in the machine's network, and a process there that sends requests to it.

With a world file the sandbox serves that; its tunnels are then at port 443 of TUNNELS.

`python -m testbed.machines.aws` is that process: it reads a JSON object a line and answers each with one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from typing import Any, Dict, List, Optional, TextIO

from tools.documents import ROOT

from .. import aws_sdk, processes
from ..processes import SandboxStatus
from .machine import IMDS, Machine

ROOT_PEM = "/usr/local/share/sandbox-root.pem"
DROP_IN = "/etc/eic-sshd/conf.d/10-sandbox.conf"
TUNNELS = "198.51.100.1"
_TIMEOUT = 10  # seconds of one request, or for a process to end


class Aws:
    """A sandbox for `machine`, from `start` to `stop`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder = machine.folder / "sandbox"
        self.window = 60  # seconds for which a key is valid that is pushed after the next start
        self.world: Optional[str] = None  # the path of a world file for the next start
        self._sandbox: Optional[subprocess.Popen[str]] = None
        self._requester: Optional[subprocess.Popen[str]] = None
        self._lock = threading.Lock()
        self._status: Optional[SandboxStatus] = None

    def start(self) -> None:
        """Start the sandbox and install its root certificate, which is a new one at each start."""
        self._sandbox = self._start(processes.sandbox_command(str(self.folder), *self._options()))
        self._status = processes.await_sandbox(self._sandbox, str(self.folder))
        self._machine.write(ROOT_PEM, (self.folder / "root.pem").read_text())
        self._requester = self._start([sys.executable, "-m", "testbed.machines.aws"])

    def _options(self) -> List[str]:
        if self.world is None:
            return ["--host", IMDS, "--imds-port", "80", "--window", str(self.window)]
        return ["--world", self.world, "--tls-host", TUNNELS, "--tls-port", "443"]

    @property
    def alive(self) -> bool:
        """Whether the sandbox was started and not stopped."""
        return self._sandbox is not None

    def trust(self) -> None:
        """Configure the machine's eic-sshd to trust the sandbox's root: the only setting that tests need."""
        self._machine.write(DROP_IN, f"[trust]\nca_file = {ROOT_PEM}\n")

    def _start(self, command: List[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._machine.network, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def stop(self) -> None:
        """Stop the sandbox: IMDS does not answer any more."""
        for process in (self._requester, self._sandbox):
            if process is not None:
                process.terminate()
                process.communicate(timeout=_TIMEOUT)
        self._requester = self._sandbox = None

    def push(self, user: str, line: str) -> str:
        """Push a key through boto3. Returns the request id."""
        return str(self._request(endpoint="api", user=user, line=line)["request_id"])

    def command(self, name: str, *arguments: str) -> str:
        """What `eic-sandbox NAME ARGUMENTS` prints for this sandbox. Raises CalledProcessError."""
        command = [sys.executable, "-m", "eic_sandbox", name, "--directory", str(self.folder), *arguments]
        return subprocess.run(
            [*self._machine.network, *command], stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True
        ).stdout

    def control(self, method: str, path: str) -> Dict[str, Any]:
        """A request to the sandbox's control API (docs/sandbox.md)."""
        return self._request(endpoint="control", method=method, path=path)

    def fault(self, name: str) -> None:
        """Set a fault until it is cleared; docs/sandbox.md lists them."""
        self.control("PUT", f"faults/{name}")

    def heal(self) -> None:
        """Clear every fault, and remove every pushed key."""
        self.control("DELETE", "faults")
        self.control("DELETE", "keys")

    def _request(self, endpoint: str, **fields: str) -> Dict[str, Any]:
        requester, status = self._requester, self._status
        assert requester is not None
        assert requester.stdin is not None
        assert requester.stdout is not None
        assert status is not None
        request = {"endpoint": endpoint, "url": status.endpoints[endpoint], "instance": status.instance, **fields}
        with self._lock:
            requester.stdin.write(json.dumps(request) + "\n")
            requester.stdin.flush()
            answer: Dict[str, Any] = json.loads(requester.stdout.readline() or '{"error": "the requester has ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def _send(request: Dict[str, Any]) -> Dict[str, Any]:
    if request["endpoint"] == "api":
        return {"request_id": aws_sdk.push(request["url"], request["instance"], request["user"], request["line"])}
    url = f"{request['url']}/{request['path']}"
    control = urllib.request.Request(url, method=request["method"])  # noqa: S310 - the sandbox's own address
    with urllib.request.urlopen(control, timeout=_TIMEOUT) as answer:  # noqa: S310
        return dict(json.load(answer))


def _serve(requests: TextIO, answers: TextIO) -> None:
    for line in requests:
        try:
            answer = _send(json.loads(line))
        except Exception as error:  # it is raised again in the process of the tests
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    _serve(sys.stdin, sys.stdout)
