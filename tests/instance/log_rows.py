# SPDX-License-Identifier: Apache-2.0
"""What `eic-sshd log` shows of logins with pushed keys."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, List, Optional

from testbed import waiting
from testbed.keys import fingerprint
from testbed.machines.client import USER, Key
from testbed.machines.machine import BOOT_TIMEOUT

from .instances import Instance

Row = Dict[str, Any]
"""An object that --json prints (docs/audit.md)."""

WAIT = BOOT_TIMEOUT  # seconds for the end of a session to be in the journal


class Since:
    """What `eic-sshd log` shows of connections that began after this."""

    def __init__(self, instance: Instance) -> None:
        self._instance, self._begin = instance, f"@{time.time():.6f}"

    def rows(self, *options: str) -> List[Row]:
        self._instance.machine.run("journalctl", "--sync")
        printed = self._instance.eic_sshd("log", "--json", "--since", self._begin, *options)
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    def only(self, *options: str) -> Row:
        """The only row."""
        (row,) = self.rows(*options)
        return row

    def ended(self) -> Row:
        """The only row, once its session has ended."""
        self.await_state("closed")
        return self.only()

    def await_state(self, wanted: str) -> None:
        """Wait until there is one row, with a session in this state."""
        waiting.until(lambda: [state(row) for row in self.rows()] == [wanted], f"the session is {wanted}", WAIT, 0.2)


def state(row: Row) -> Optional[str]:
    """`open` or `closed`; None without a session."""
    return row["session"]["state"] if row["session"] else None


def pushed(instance: Instance, user: str = USER) -> tuple[Key, str]:
    """A new key that was pushed, and the request id of its push."""
    key = instance.client.key()
    return key, instance.aws.push(user, key.line)


def assert_pushed(row: Row, key: Key, request_id: str, evidence: str = "accepted-line") -> None:
    """`row` is a login with this key."""
    assert (row["result"], row["reason"], row["user"]) == ("login", "granted", USER), row
    login = row["login"]
    assert (login["by"], login["evidence"], login["request_ids"]) == ("pushed-key", evidence, [request_id]), row
    assert (login["fingerprint"], len(login["callers"])) == (fingerprint(key.line), 1), row
    assert login["callers"][0].startswith("arn:aws:"), row
