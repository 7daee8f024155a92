# SPDX-License-Identifier: Apache-2.0
"""The AWS side of a machine: the sandbox in the machine's network, spoken to through boto3 from within it.

`python -m testbed.machines.aws` is what speaks there: it takes a JSON object a line and answers with one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from typing import Any, Dict, Optional, TextIO

from tools.documents import ROOT

from .machine import IMDS, Machine

ROOT_PEM = "/usr/local/share/sandbox-root.pem"
DROP_IN = "/etc/eic-sshd/conf.d/10-sandbox.conf"


class Aws:
    """A sandbox for `machine`; it goes on until `stop`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder = machine.folder / "sandbox"
        self.window = 60  # seconds that a key pushed after the next start is good for
        self._sandbox: Optional[subprocess.Popen[str]] = None
        self._speaker: Optional[subprocess.Popen[str]] = None
        self._one_at_a_time = threading.Lock()
        self.facts: Dict[str, Any] = {}

    def start(self) -> None:
        """Start the sandbox and make the machine trust its root, which is another one at each start."""
        self._sandbox = self._python(
            "eic_sandbox", "run", "--host", IMDS, "--imds-port", "80", "--directory", str(self.folder),
            "--window", str(self.window),
        )  # fmt: skip
        assert self._sandbox.stdout is not None
        if not any(line == "ready\n" for line in self._sandbox.stdout):
            raise RuntimeError("the sandbox did not start")
        self.facts = json.loads((self.folder / "sandbox.json").read_text())
        self._machine.write(ROOT_PEM, (self.folder / "root.pem").read_text())
        self._speaker = self._python("testbed.machines.aws")

    @property
    def alive(self) -> bool:
        return self._sandbox is not None

    def trust(self) -> None:
        """The one thing that is configured: whose root the sandbox's is."""
        self._machine.write(DROP_IN, f"[trust]\nca_file = {ROOT_PEM}\n")

    def _python(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._machine.network, sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def stop(self) -> None:
        """IMDS is dead from here on."""
        for process in (self._speaker, self._sandbox):
            if process is not None:
                process.terminate()
                process.communicate(timeout=10)
        self._speaker = self._sandbox = None

    def push(self, user: str, line: str) -> str:
        """SendSSHPublicKey through boto3; gives the request's id."""
        return str(self._ask(do="push", endpoint=self.facts["endpoints"]["api"], user=user, line=line)["RequestId"])

    def control(self, method: str, path: str) -> Dict[str, Any]:
        """A request to the sandbox's control (docs/sandbox.md)."""
        return self._ask(do="control", method=method, url=f"{self.facts['endpoints']['control']}/{path}")

    def fault(self, name: str) -> None:
        self.control("PUT", f"faults/{name}")

    def heal(self) -> None:
        """No faults, no pushed keys."""
        self.control("DELETE", "faults")
        self.control("DELETE", "keys")

    def _ask(self, **wish: Any) -> Dict[str, Any]:
        assert self._speaker is not None
        assert self._speaker.stdin is not None
        assert self._speaker.stdout is not None
        with self._one_at_a_time:
            self._speaker.stdin.write(json.dumps({"facts": self.facts["instance"], **wish}) + "\n")
            self._speaker.stdin.flush()
            answer: Dict[str, Any] = json.loads(self._speaker.stdout.readline() or '{"error": "the speaker is gone"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def _push(wish: Dict[str, Any]) -> Dict[str, Any]:
    import boto3

    client = boto3.client(
        "ec2-instance-connect",
        endpoint_url=wish["endpoint"],
        region_name=wish["facts"]["region"],
        aws_access_key_id="SANDBOX",
        aws_secret_access_key="sandbox",
    )
    answer: Dict[str, Any] = client.send_ssh_public_key(
        InstanceId=wish["facts"]["instance_id"], InstanceOSUser=wish["user"], SSHPublicKey=wish["line"]
    )
    return {"RequestId": answer["RequestId"]}


def _control(wish: Dict[str, Any]) -> Dict[str, Any]:
    request = urllib.request.Request(wish["url"], method=wish["method"])  # noqa: S310 - the sandbox's own address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return dict(json.load(answer))


def _speak(wishes: TextIO, answers: TextIO) -> None:
    for line in wishes:
        wish = json.loads(line)
        try:
            answer = (_push if wish["do"] == "push" else _control)(wish)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    _speak(sys.stdin, sys.stdout)
