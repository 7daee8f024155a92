# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd log` with a real journald: which entries count, by the fields that only journald and the kernel set."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Dict, Iterator, List, Sequence

import pytest

from eic_sshd.log.entries import SESSION_ENDED, SESSION_STARTED
from eic_sshd.model.outcome import Outcome
from testbed import journald as journal
from testbed import private_host
from testbed.journald import Fields, Journald
from tools.documents import ROOT

pytestmark = [
    pytest.mark.skipif(not private_host.is_inside(), reason="only root has a journald of its own (needs root)"),
    pytest.mark.skipif(journal.unsupported() is not None, reason=f"no journald: {journal.unsupported()}"),
]

NOBODY = 65534
EIC_SSHD = private_host.ACCOUNTS[private_host.COMMAND_USER]
KEY = "SHA256:" + "k" * 43
_COMMAND = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "eic_sshd", "log"]


@pytest.fixture
def journald() -> Iterator[Journald]:
    with journal.journald() as running:
        yield running


def write(journald: Journald, entries: Sequence[Fields], uid: int = 0) -> int:
    """Write the entries in a process of `uid`. Returns its process id."""
    (pid,) = journald.write([entries], uid=uid)
    return pid


def record(user: str = "ec2-user", pid: str = "@PID@") -> Fields:
    fields = {"DECISION": "granted", "REASON": "granted", "USER": user, "FINGERPRINT": KEY, "SSHD_PID": pid}
    fields.update({"CALLER": "arn:aws:iam::123456789012:user/alice", "REQUEST_ID": "r-1", "ELAPSED_US": "1500"})
    journal_fields = {f"EIC_{name}": value for name, value in fields.items()}
    return {
        "MESSAGE": "granted",
        "MESSAGE_ID": Outcome.GRANTED.message_id,
        "SYSLOG_IDENTIFIER": "eic-sshd",
        **journal_fields,
    }


def sshd(message: str) -> Fields:
    return {"MESSAGE": message, "SYSLOG_IDENTIFIER": "sshd"}


def login(user: str = "ec2-user") -> List[Fields]:
    """What sshd, PAM and logind write at a login."""
    logind = {"MESSAGE": "a session", "SYSLOG_IDENTIFIER": "systemd-logind", "SESSION_ID": "5", "LEADER": "@PID@"}
    return [
        sshd(f"Accepted publickey for {user} from 203.0.113.7 port 50000 ssh2: ED25519 {KEY}"),
        sshd(f"pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)"),
        {**logind, "MESSAGE_ID": SESSION_STARTED},
        sshd(f"pam_unix(sshd:session): session closed for user {user}"),
        {**logind, "MESSAGE_ID": SESSION_ENDED},
    ]


def rows(journald: Journald, *options: str) -> List[Dict[str, Any]]:
    done = journald.run(*_COMMAND, "--json", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_login_is_joined_by_the_process_id_that_the_kernel_reports(journald: Journald) -> None:
    pid = write(journald, [record(), *login()])
    (row,) = rows(journald)
    assert (row["sshd_pid"], row["result"], row["address"]) == (pid, "login", "203.0.113.7")
    assert (row["login"]["by"], row["login"]["request_ids"]) == ("pushed-key", ["r-1"])
    assert (row["session"]["state"], row["session"]["ids"]) == ("closed", ["5"])


def test_record_of_eic_sshds_own_user_counts(journald: Journald) -> None:
    write(journald, [record(pid="4242")], uid=EIC_SSHD)
    (row,) = rows(journald)
    assert (row["sshd_pid"], row["result"]) == (4242, "granted")


def test_login_that_another_user_writes_is_not_shown_and_is_reported(journald: Journald) -> None:
    write(journald, [record("root"), *login("root")], uid=NOBODY)
    assert rows(journald, "--all") == []
    shown = journald.run(*_COMMAND).stderr
    assert f"(uid {NOBODY}) forged one record" in shown


def test_lines_of_sshd_from_eic_sshds_own_user_do_not_count(journald: Journald) -> None:
    write(journald, login("root"), uid=EIC_SSHD)
    assert rows(journald, "--all") == []


def test_field_that_imitates_a_trusted_one_does_not_count(journald: Journald) -> None:
    """journald drops fields of clients that begin with an underscore."""
    write(journald, [{**record("root"), "_UID": "0", "_PID": "1", "UID": "0"}], uid=NOBODY)
    assert rows(journald, "--all") == []


def test_options_select_in_a_real_journal(journald: Journald) -> None:
    write(journald, [record(), *login()])
    write(journald, [record("deploy"), *login("deploy")])
    assert [row["user"] for row in rows(journald)] == ["ec2-user", "deploy"]
    assert [row["user"] for row in rows(journald, "--user", "deploy", "--since", "1h")] == ["deploy"]
    assert rows(journald, "--until", "1h") == []
    (found,) = rows(journald, "--stats")
    assert (found["logins"], found["latency_us"]["all"]["p50"]) == ({"pushed-key": 2}, 1500)


def test_login_that_is_added_is_followed(journald: Journald) -> None:
    command = [*_COMMAND, "--follow", "--json", "--since", "1h"]
    with subprocess.Popen(journald.command(command), stdout=subprocess.PIPE, text=True) as followed:
        try:
            assert followed.stdout is not None
            write(journald, [record(), *login()])
            first = json.loads(followed.stdout.readline())
            write(journald, [record("deploy"), *login("deploy")])
            second = json.loads(followed.stdout.readline())
        finally:
            followed.kill()
    assert [row["user"] for row in (first, second)] == ["ec2-user", "deploy"]
    assert first["session"]["state"] == "closed"
