# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd log` after each kind of login, on machines with their own journald, logind, PAM and sshd."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from typing import Dict, Iterator, List, Sequence

import pytest

from eic_sshd.model.outcome import Outcome
from testbed import waiting
from testbed.keys import fingerprint
from testbed.machines.client import OTHER, USER, Key, session

from .instances import Instance
from .log_rows import WAIT, Since, assert_pushed, pushed, state


@contextlib.contextmanager
def sshd_setting(instance: Instance, text: str) -> Iterator[None]:
    """A setting of sshd, while the block runs."""
    path = "/etc/ssh/sshd_config.d/10-test.conf"
    instance.machine.write(path, text)
    instance.machine.run("systemctl", "restart", "ssh.service")  # it waits for sshd, whatever that logs
    try:
        yield
    finally:
        instance.machine.run("rm", path)
        instance.machine.run("systemctl", "restart", "ssh.service")


def test_login_with_a_pushed_key_is_one_row_from_its_caller_to_its_end(installed: Instance) -> None:
    since = Since(installed)
    key, request_id = pushed(installed)
    assert installed.client.login(key, command="sleep 2").ok
    row = since.ended()
    assert_pushed(row, key, request_id)
    assert row["address"].startswith("127.")
    assert row["port"] > 0
    assert 2 <= row["session"]["seconds"] < WAIT
    assert len(row["session"]["ids"]) == 1
    assert [(one["reason"], one["count"]) for one in row["attempts"]] == [("granted", 2)]


def test_table_has_the_login(installed: Instance) -> None:
    since = f"@{time.time():.6f}"
    key, request_id = pushed(installed)
    assert installed.client.login(key).ok
    printed = installed.eic_sshd("log", "--since", since).splitlines()
    assert len(printed) == 2
    for part in (USER, "login: pushed key", request_id, fingerprint(key.line)):
        assert part in printed[1]


def test_login_with_a_key_on_disk_is_by_another_method(installed: Instance) -> None:
    key = installed.client.key()
    installed.client.put_on_disk(key)
    since = Since(installed)
    assert installed.client.login(key).ok
    row = since.ended()
    assert (row["result"], row["login"]["by"], row["login"]["methods"]) == ("login", "other", ["publickey"])
    assert (row["login"]["fingerprint"], row["attempts"]) == (fingerprint(key.line), [])


def test_refused_login_has_its_reason_and_address(installed: Instance) -> None:
    key, _ = pushed(installed)
    installed.aws.fault("past-timestamp")
    since = Since(installed)
    assert not installed.client.login(key).ok
    row = since.only()
    assert (row["result"], row["reason"], row["login"], row["session"]) == ("refused", "expired", None, None)
    assert row["address"].startswith("127.")


def test_client_with_four_keys_is_one_row(installed: Instance) -> None:
    others = [installed.client.key() for _ in range(3)]
    key, request_id = pushed(installed)
    since = Since(installed)
    assert installed.client.login(*others, key).ok
    row = since.ended()
    assert_pushed(row, key, request_id)
    assert [one["reason"] for one in row["attempts"]] == [*["fingerprint-mismatch"] * 3, "granted"]


def test_multiplexed_connection_with_three_sessions_is_one_row(installed: Instance) -> None:
    key, request_id = pushed(installed)
    since = Since(installed)
    *ssh, target = installed.client.arguments([key], USER)
    path = str(installed.machine.folder / "control")
    master = subprocess.Popen([*ssh, "-M", "-N", "-S", path, target])
    try:
        check = [*ssh, "-S", path, "-O", "check", target]
        waiting.until(lambda: subprocess.run(check, capture_output=True).returncode == 0, "ssh is connected", WAIT)
        for _ in range(3):
            done = subprocess.run([*ssh, "-S", path, target, "id -un"], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == USER
        subprocess.run([*ssh, "-S", path, "-O", "exit", target], check=True, capture_output=True)
        master.wait(timeout=WAIT)
    finally:
        master.kill()
        master.wait()
    row = since.ended()
    assert_pushed(row, key, request_id)
    assert len(row["session"]["ids"]) == 1


def _copy_commands(instance: Instance, key: Key) -> Dict[str, List[str]]:
    *ssh, target = instance.client.arguments([key], USER)
    options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    options += ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i", key.path]
    return {
        "sftp": [*ssh, "-s", target, "sftp"],
        "scp": [*instance.machine.network, "scp", "-q", *options, f"{target}:/etc/hostname", "/dev/null"],
    }


@pytest.mark.parametrize("program", ["sftp", "scp"])
def test_copied_file_is_a_login(installed: Instance, program: str) -> None:
    key, request_id = pushed(installed)
    since = Since(installed)
    subprocess.run(_copy_commands(installed, key)[program], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert_pushed(since.ended(), key, request_id)


def test_session_of_a_client_that_vanishes_ends_when_sshd_notices(own: Instance) -> None:
    with sshd_setting(own, "ClientAliveInterval 1\nClientAliveCountMax 2\n"):
        key, request_id = pushed(own)
        since = Since(own)
        *ssh, target = own.client.arguments([key], USER)
        client = subprocess.Popen([*ssh, target, "sleep 600"], stderr=subprocess.DEVNULL)
        try:
            since.await_state("open")
            client.send_signal(signal.SIGSTOP)
            row = since.ended()
        finally:
            client.kill()
            client.wait()
    assert_pushed(row, key, request_id)


def test_restart_of_sshd_in_mid_session_keeps_the_row(installed: Instance) -> None:
    key, request_id = pushed(installed)
    since = Since(installed)
    with session(installed.client, key) as held:
        installed.machine.run("systemctl", "restart", "ssh.service")
        assert held.lives()
        row = since.only()
        assert_pushed(row, key, request_id)
        assert (state(row), row["session"]["closed"]) == ("open", None)
    assert since.ended()["session"]["ids"] == row["session"]["ids"]


def test_refusal_of_pam_after_a_grant_is_no_login(installed: Instance) -> None:
    key, _ = pushed(installed)
    since = Since(installed)
    installed.machine.run("usermod", "-e", "1970-01-02", USER)
    try:
        assert not installed.client.login(key).ok
    finally:
        installed.machine.run("usermod", "-e", "", USER)
    row = since.only()
    assert (row["result"], row["login"], row["session"]) == ("granted", None, None)
    assert any("Access denied" in line for line in row["sshd"]), row


def test_second_factor_that_was_not_given_is_no_login(own: Instance) -> None:
    with sshd_setting(own, "AuthenticationMethods publickey,password\n"):
        key, _ = pushed(own)
        since = Since(own)
        assert not own.client.login(key).ok
        row = since.only()
    assert (row["result"], row["login"], row["session"]) == ("granted", None, None)


def test_login_with_log_level_error_is_known_by_its_session(own: Instance) -> None:
    with sshd_setting(own, "LogLevel ERROR\n"):
        key, request_id = pushed(own)
        since = Since(own)
        assert own.client.login(key).ok
        row = since.ended()
    assert_pushed(row, key, request_id, "session-only")
    assert row["address"] is None


def _as_user(instance: Instance, *command: str, stdin: str = "") -> None:
    instance.machine.run("runuser", "-u", USER, "--", *command, stdin=stdin)


def test_forged_records_and_lines_are_not_shown_and_are_reported(installed: Instance) -> None:
    since = Since(installed)
    fields = {
        "MESSAGE": "granted",
        "MESSAGE_ID": Outcome.GRANTED.message_id,
        "SYSLOG_IDENTIFIER": "eic-sshd",
        "EIC_DECISION": "granted",
        "EIC_REASON": "granted",
        "EIC_USER": "root",
        "EIC_SSHD_PID": "1",
    }
    _as_user(installed, "logger", "--journald", stdin="".join(f"{name}={value}\n" for name, value in fields.items()))
    line = f"Accepted publickey for root from 10.0.0.1 port 22 ssh2: ED25519 SHA256:{'a' * 43}"
    opened = "pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)"
    for text in (line, opened):
        _as_user(installed, "logger", "-t", "sshd", "-p", "authpriv.info", text)
        _as_user(installed, "logger", "-t", "sshd-session", "-p", "authpriv.info", text)
    assert since.rows("--all") == []
    printed = installed.eic_sshd("log", "--since", "1h")
    assert f"{USER} (uid " in printed
    assert "forged one record" in printed


@pytest.mark.parametrize("options", [[], ["--json"], ["--stats"], ["--session"], ["--follow"]])
def test_user_without_the_right_to_read_the_journal_gets_no_table(installed: Instance, options: Sequence[str]) -> None:
    done = installed.machine.run("runuser", "-u", OTHER, "--", "eic-sshd", "log", *options, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "may not read it" in done.stderr


def test_holder_of_the_present_session_is_named(installed: Instance) -> None:
    installed.machine.run("usermod", "-aG", "adm", USER)
    try:
        keys = [pushed(installed) for _ in range(2)]
        with session(installed.client, keys[0][0]):
            shown = installed.client.login(keys[1][0], command="eic-sshd log --session --json")
    finally:
        installed.machine.run("gpasswd", "-d", USER, "adm")
    assert shown.ok, shown
    assert_pushed(json.loads(shown.output), *keys[1])


def test_holder_of_another_session_is_named_by_its_id(installed: Instance) -> None:
    key, request_id = pushed(installed)
    since = Since(installed)
    with session(installed.client, key):
        (number,) = since.only()["session"]["ids"]
        assert_pushed(json.loads(installed.eic_sshd("log", "--json", "--session", number)), key, request_id)
    since.ended()
    installed.eic_sshd("log", "--session", number, status=1)


def test_login_is_followed_from_its_begin_to_its_end(installed: Instance) -> None:
    with subprocess.Popen(
        [*installed.machine.inside, "eic-sshd", "log", "--follow", "--json", "--since", f"@{time.time():.6f}"],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    ) as followed:
        assert followed.stdout is not None
        try:
            key, request_id = pushed(installed)
            with session(installed.client, key):
                begun = json.loads(followed.stdout.readline())
            ended = json.loads(followed.stdout.readline())
        finally:
            followed.kill()
    assert_pushed(begun, key, request_id)
    assert (state(begun), state(ended)) == ("open", "closed")


def test_trail_is_beside_the_login(installed: Instance) -> None:
    since = Since(installed)
    key, request_id = pushed(installed)
    unused = installed.aws.push(USER, installed.client.key().line)
    assert installed.client.login(key).ok
    row = since.ended()
    caller = row["login"]["callers"][0]
    events = []
    for one in (request_id, unused):
        parameters = {"instanceId": row["attempts"][0]["instance_id"], "instanceOSUser": USER}
        parameters["sSHPublicKey"] = key.line if one == request_id else ""
        events.append(
            {
                "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "eventSource": "ec2-instance-connect.amazonaws.com",
                "eventName": "SendSSHPublicKey",
                "sourceIPAddress": "198.51.100.4",
                "userIdentity": {"arn": caller},
                "requestParameters": parameters,
                "requestID": one,
            }
        )
    installed.machine.write("/root/trail.json", json.dumps({"Records": events}))
    login, push = since.rows("--trail", "/root/trail.json")
    assert (login["trail"]["match"], login["trail"]["push"]["address"]) == ("ok", "198.51.100.4")
    assert (push["type"], push["result"], push["request_id"]) == ("push", "unused", unused)


def test_records_in_a_file_are_joined_with_the_journal(own: Instance) -> None:
    own.machine.shell("install -d -o eic-sshd -g eic-sshd -m 0750 /var/log/eic-sshd")
    drop_in = "[Service]\nReadWritePaths=/var/log/eic-sshd\n"
    own.machine.write("/etc/systemd/system/eic-sshd.service.d/log.conf", drop_in)
    own.machine.write("/etc/eic-sshd/conf.d/30-log.conf", "[log]\ndestination = /var/log/eic-sshd/records\n")
    own.machine.run("systemctl", "daemon-reload")
    own.machine.run("systemctl", "stop", "eic-sshd.service")
    since = Since(own)
    key, request_id = pushed(own)
    assert own.client.login(key).ok
    assert_pushed(since.ended(), key, request_id)
    own.machine.run("chmod", "0666", "/var/log/eic-sshd/records")
    assert "writable by others" in own.eic_sshd("log", status=1)
