# SPDX-License-Identifier: Apache-2.0
"""How long `eic-sshd log` takes to show all logins of a large journal."""

from __future__ import annotations

import statistics
import subprocess
import time
from typing import Iterator, List

from eic_sshd.model.outcome import Outcome
from testbed import journald as journal
from testbed.journald import Fields, Journald
from tools.documents import ROOT

from .measure import WrongAnswer

_ENTRIES = 200_000
_LOGINS = 1500
_ROUNDS = 5
_KEY = "SHA256:" + "k" * 43


def journal_counts() -> Iterator[str]:
    """A line with the time; none where no journald can run."""
    if journal.unsupported() is not None:
        return
    with journal.journald() as running:
        groups = [_login(number) for number in range(_LOGINS)]
        jobs = range(_ENTRIES // _LOGINS - len(groups[0]))
        running.write(groups, [{"MESSAGE": f"job {number}", "SYSLOG_IDENTIFIER": "CRON"} for number in jobs])
        # As the packages do it.
        subprocess.run(["/usr/bin/python3", "-m", "compileall", "-q", f"{ROOT}/eic_sshd"], check=True)
        times = [_timed(running) for _ in range(_ROUNDS)]
    yield (
        f"eic-sshd log, {_ENTRIES} entries, {_LOGINS} logins of {len(groups[0])} entries: "
        f"{statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})"
    )


def _login(number: int) -> List[Fields]:
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
    return [record, *({"MESSAGE": line, "SYSLOG_IDENTIFIER": "sshd"} for line in lines)]


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
