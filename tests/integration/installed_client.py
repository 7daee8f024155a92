# SPDX-License-Identifier: Apache-2.0
"""The installed client, run as sshd runs it, and what it printed and recorded."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from eic_sandbox.server import Sandbox

USER = "root"  # any user that every machine has
CALLER = "arn:aws:sts::123456789012:assumed-role/Admin/alice"
# Seconds: an ordinary machine starts Python and its libraries in a tenth of this; the rest is for a busy one.
STARTING = 1.5


def bare(line: str) -> str:
    """What the client prints for the key on `line`."""
    return " ".join(line.split()[:2]) + "\n"


@dataclass(frozen=True)
class Answer:
    """What the client printed and recorded; `seconds` is its wall time."""

    status: int
    printed: str
    errors: str
    records: List[Dict[str, Any]]
    seconds: float

    @property
    def reason(self) -> str:
        (record,) = self.records
        return str(record["reason"])


class Client:
    """The installed client with a configuration of its own, against `sandbox`."""

    def __init__(self, tree: Path, folder: Path, sandbox: Sandbox) -> None:
        self.command = str(tree / "usr/lib/eic-sshd/authorized-keys")
        self.config = folder / "eic-sshd.conf"
        self.log = folder / "decisions.jsonl"
        self.sandbox = sandbox
        self.socket = "none"
        self.root_pem = folder / "root.pem"
        self.root_pem.write_bytes(sandbox.instance.pki.root.pem)
        self.configure()

    def configure(self, extra: str = "", endpoint: Optional[str] = None) -> None:
        """Write the configuration, `extra` being more of it."""
        self.config.write_text(
            f"[imds]\nendpoint = {endpoint or self.sandbox.endpoints['imds']}\n"
            f"[instance]\nrequire_ec2_hardware = no\n"
            f"[trust]\nca_file = {self.root_pem}\n"
            f"[log]\ndestination = {self.log}\n{extra}"
        )
        self.config.chmod(0o644)

    def set(self, section: str, **settings: object) -> None:
        """Add settings to a section that the configuration has; they replace those that it sets."""
        kept = [line for line in self.config.read_text().splitlines() if line.partition(" = ")[0] not in settings]
        added = [f"{key} = {value}" for key, value in settings.items()]
        at = kept.index(f"[{section}]") + 1
        self.config.write_text("\n".join([*kept[:at], *added, *kept[at:]]) + "\n")

    def arguments(self, *rest: str) -> List[str]:
        return [self.command, "--socket", self.socket, "--config", str(self.config), *rest]

    def ask(
        self,
        user: str = USER,
        fingerprint: Optional[str] = None,
        env: Optional[Dict[str, str]] = None,
        more: Sequence[str] = (),
    ) -> Answer:
        """Run it for `user` and `fingerprint`, with `more` options; return what it printed and recorded."""
        before = self._lines()
        begun = time.monotonic()
        arguments = self.arguments(*more, user, *([] if fingerprint is None else [fingerprint]))
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, env=env, cwd="/")
        seconds = time.monotonic() - begun
        records = [json.loads(line) for line in self._lines()[len(before) :]]
        return Answer(done.returncode, done.stdout, done.stderr, records, seconds)

    def _lines(self) -> List[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def clean_environment() -> Dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
