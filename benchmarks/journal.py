# SPDX-License-Identifier: Apache-2.0
"""How long `eic-sshd log` takes to show all logins of a large journal."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from typing import Dict, Iterator, List

from eic_sshd.model.outcome import Outcome
from testbed import journald as journal
from testbed.journald import Journald
from tools.documents import ROOT

from .measure import WrongAnswer

_ENTRIES = 200_000
_LOGINS = 1500
_ROUNDS = 5
_KEY = "SHA256:" + "k" * 43
# Sends each group of entries from a process of its own, and other entries between two groups.
_WRITER = """
import json, os, socket, sys
address = "/run/systemd/journal/socket"
noise, groups = json.load(sys.stdin)
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for group in groups:
    pid = os.fork()
    if pid == 0:
        for entry in group:
            sender.sendto(entry.replace("@PID@", str(os.getpid())).encode(), address)
        os._exit(0)
    os.waitpid(pid, 0)
    for number in range(noise):
        sender.sendto(f"MESSAGE=job {number} of user {number % 97}\\nSYSLOG_IDENTIFIER=CRON\\n".encode(), address)
"""


def journal_counts() -> Iterator[str]:
    """A line with the time; none where no journald can run."""
    if journal.unsupported() is not None:
        return
    with journal.journald() as running:
        groups = [_login(number) for number in range(_LOGINS)]
        noise = _ENTRIES // _LOGINS - len(groups[0])
        _write(running, noise, groups)
        times = [_timed(running) for _ in range(_ROUNDS)]
    yield (
        f"eic-sshd log, {_ENTRIES} entries, {_LOGINS} logins of {len(groups[0])} entries: "
        f"{statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})"
    )


def _login(number: int) -> List[str]:
    user, address = f"user{number % 7}", f"203.0.113.{number % 250}"
    record = {
        "MESSAGE": "granted", "MESSAGE_ID": Outcome.GRANTED.message_id, "SYSLOG_IDENTIFIER": "eic-sshd",
        "EIC_DECISION": "granted", "EIC_REASON": "granted", "EIC_USER": user, "EIC_FINGERPRINT": _KEY,
        "EIC_SSHD_PID": "@PID@", "EIC_CALLER": f"arn:aws:iam::123456789012:user/{number}",
        "EIC_REQUEST_ID": f"r-{number}", "EIC_ELAPSED_US": "1500",
    }  # fmt: skip
    lines = [
        f"Accepted publickey for {user} from {address} port 50000 ssh2: ED25519 {_KEY}",
        f"pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)",
        f"Received disconnect from {address} port 50000:11: disconnected by user",
        f"pam_unix(sshd:session): session closed for user {user}",
    ]
    return [_native(record), *(_native({"MESSAGE": line, "SYSLOG_IDENTIFIER": "sshd"}) for line in lines)]


def _native(fields: Dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in fields.items())


def _write(running: Journald, noise: int, groups: List[List[str]]) -> None:
    command = running.command(["/usr/bin/python3", "-c", _WRITER])
    subprocess.run(command, input=json.dumps([noise, groups]), text=True, check=True, timeout=300)
    running.sync()


def _timed(running: Journald) -> float:
    # From the source: the installed tree may be below /run, of which the journald has its own.
    python = ["env", f"PYTHONPATH={ROOT}", "/usr/bin/python3", "-m", "eic_sshd"]
    command = running.command([*python, "log", "--json"])
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    elapsed = (time.perf_counter() - begun) * 1000
    shown = done.stdout.count(b"\n")
    if done.returncode != 0 or shown != _LOGINS:
        raise WrongAnswer(f"eic-sshd log: status {done.returncode}, {shown} lines: {done.stderr[:200]!r}")
    return elapsed
