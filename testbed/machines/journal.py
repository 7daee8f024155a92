# SPDX-License-Identifier: Apache-2.0
"""The journal of a booted machine."""

from __future__ import annotations

import abc
import json
import subprocess
from typing import Any, Dict, List

Entry = Dict[str, Any]
"""The fields of an entry by name, as `journalctl -o json` writes them."""

_SSHD_IDENTIFIERS = ("sshd", "sshd-session", "sshd-auth")


class JournalReader(abc.ABC):
    """Reads the journal with journalctl, which `run` runs in the machine."""

    @abc.abstractmethod
    def run(
        self, *command: str, check: bool = True, stdin: str = "", timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` in the machine, as root."""

    def cursor(self) -> str:
        """The position of the journal's last entry."""
        self.run("journalctl", "--sync")
        shown = self.run("journalctl", "-n", "1", "-o", "cat", "--show-cursor", "-q").stdout
        return shown.rpartition("cursor: ")[2].strip()

    def entries(self, cursor: str, *identifiers: str) -> List[Entry]:
        """The entries after `cursor`; with `identifiers` only those with one of these SYSLOG_IDENTIFIERs."""
        self.run("journalctl", "--sync")
        after = [f"--after-cursor={cursor}"] if cursor else []
        # Selected here: with matches, the journalctl of Debian 12 skips the first entry after a cursor.
        shown = self.run("journalctl", "-o", "json", "-q", "--no-pager", "--all", *after).stdout
        found: List[Entry] = [json.loads(line) for line in shown.splitlines()]
        return [entry for entry in found if not identifiers or entry.get("SYSLOG_IDENTIFIER") in identifiers]

    def records(self, cursor: str) -> List[Entry]:
        """The records of eic-sshd after `cursor`."""
        return self.entries(cursor, "eic-sshd")

    def sshd_entries(self, cursor: str) -> List[Entry]:
        """The entries of sshd after `cursor`."""
        return self.entries(cursor, *_SSHD_IDENTIFIERS)

    def journal(self, lines: int = 60) -> str:
        """The end of the journal, for people."""
        done = self.run("journalctl", "-n", str(lines), "--no-pager", "-o", "short-precise", check=False, timeout=20)
        return done.stdout + done.stderr
