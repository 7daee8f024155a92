# SPDX-License-Identifier: Apache-2.0
"""Each kind of login, as its entries are in the journal, and what is known of it."""

from __future__ import annotations

import pytest

from eic_sshd.log.connection import By, Evidence, Result, SessionState
from eic_sshd.log.entries import SESSION_STARTED
from eic_sshd.log.sessions import holders
from eic_sshd.model.outcome import Outcome

from .journal import ADDRESS, CALLER, KEY, OTHER_KEY, SECOND, USER_UID, Log, joined, only

PID = 4242


@pytest.mark.parametrize("identifier", ["sshd", "sshd-session"])
def test_login_with_a_pushed_key_has_caller_request_key_address_and_length(identifier: str) -> None:
    log = Log(identifier=identifier)
    log.login(PID, seconds=90)
    found = only(log)
    assert (found.result, found.user, found.address, found.port) == (Result.LOGIN, "ec2-user", ADDRESS, 50000)
    assert (found.pid, found.reason, found.request_ids) == (PID, "granted", ("r-1",))
    assert found.login is not None
    assert (found.login.by, found.login.evidence) == (By.PUSHED_KEY, Evidence.ACCEPTED_LINE)
    assert (found.login.fingerprint, found.login.methods) == (KEY, ("publickey",))
    assert found.login.grant is not None
    assert found.login.grant.caller == CALLER
    assert found.session is not None
    assert (found.session.state, found.session.ids) == (SessionState.CLOSED, ("7",))
    assert 90 * SECOND <= (found.session.length or 0) < 91 * SECOND


def test_two_records_of_one_login_are_one_attempt_with_two_times() -> None:
    log = Log()
    log.login(PID)
    (attempt,) = only(log).attempts
    assert attempt.count == 2
    assert [timing.source for timing in attempt.timings] == ["imds", "cache"]


def test_login_with_a_key_on_disk_is_by_another_method() -> None:
    log = Log()
    log.accepted(PID, key=OTHER_KEY)
    log.opened(PID)
    log.closed(PID)
    found = only(log)
    assert found.login is not None
    assert (found.login.by, found.login.grant, found.login.fingerprint) == (By.OTHER, None, OTHER_KEY)
    assert (found.reason, found.request_ids) == (None, ())


def test_place_of_a_key_on_disk_is_known_where_sshd_logs_it() -> None:
    log = Log()
    log.sshd(PID, f"Accepted key ED25519 {OTHER_KEY} found at /home/ec2-user/.ssh/authorized_keys:1")
    log.accepted(PID, key=OTHER_KEY)
    found = only(log)
    assert found.login is not None
    assert found.login.key_place == "/home/ec2-user/.ssh/authorized_keys:1"


def test_key_on_disk_is_no_pushed_key_though_another_key_was_granted() -> None:
    """The client offered a pushed key, for which it has no private key, and logged in with the one on disk."""
    log = Log()
    log.record(PID)
    log.accepted(PID, key=OTHER_KEY)
    found = only(log)
    assert found.login is not None
    assert (found.login.by, found.login.grant) == (By.OTHER, None)


def test_certificate_of_a_granted_key_is_another_method() -> None:
    """Its fingerprint is that of the plain key (PROTOCOL.certkeys), and no certificate is ever granted."""
    log = Log()
    log.record(PID)
    log.sshd(
        PID,
        f"Accepted publickey for ec2-user from {ADDRESS} port 1 ssh2: "
        f"ED25519-CERT {KEY} ID alice (serial 0) CA ED25519 {OTHER_KEY}",
    )
    found = only(log)
    assert found.login is not None
    assert (found.login.by, found.login.fingerprint) == (By.OTHER, KEY)


def test_login_is_joined_where_sshd_logs_md5_fingerprints() -> None:
    log = Log()
    log.record(PID)
    log.sshd(PID, f"Accepted publickey for ec2-user from {ADDRESS} port 1 ssh2: ED25519 MD5:{':'.join(['0f'] * 16)}")
    found = only(log)
    assert found.login is not None
    assert (found.login.by, found.login.evidence) == (By.PUSHED_KEY, Evidence.SESSION_ONLY)
    assert found.login.fingerprint == KEY


def test_password_after_a_granted_key_that_was_not_used_is_another_method() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID, method="password")
    log.opened(PID)
    found = only(log)
    assert found.login is not None
    assert (found.login.by, found.login.methods) == (By.OTHER, ("password",))


def test_pushed_key_counts_beside_a_second_factor() -> None:
    log = Log()
    log.record(PID)
    log.sshd(PID, f"Partial publickey for ec2-user from {ADDRESS} port 50000 ssh2: ED25519 {KEY}")
    log.accepted(PID, method="keyboard-interactive/pam")
    log.opened(PID)
    found = only(log)
    assert found.login is not None
    assert found.login.by is By.PUSHED_KEY
    assert found.login.methods == ("publickey", "keyboard-interactive/pam")


def test_granted_key_without_its_second_factor_is_no_login() -> None:
    log = Log()
    log.record(PID)
    log.sshd(
        PID,
        f"Partial publickey for ec2-user from {ADDRESS} port 50000 ssh2: ED25519 {KEY}",
        f"Connection closed by authenticating user ec2-user {ADDRESS} port 50000 [preauth]",
    )
    found = only(log)
    assert (found.result, found.login, found.session) == (Result.GRANTED, None, None)


@pytest.mark.parametrize(
    ("outcome", "reason", "result"),
    [
        (Outcome.REFUSED, "expired", Result.REFUSED),
        (Outcome.REFUSED, "caller-forbidden", Result.REFUSED),
        (Outcome.REFUSED, "a-reason-of-a-later-version", Result.REFUSED),
        (Outcome.ERROR, "imds-unreachable", Result.ERROR),
        (Outcome.NONE, "no-active-keys", Result.NONE),
    ],
)
def test_refused_login_has_its_reason(outcome: Outcome, reason: str, result: Result) -> None:
    log = Log()
    log.record(PID, outcome, reason)
    log.sshd(PID, f"Connection closed by authenticating user ec2-user {ADDRESS} port 50000 [preauth]")
    found = only(log, running=[PID])
    assert (found.result, found.reason, found.login, found.address) == (result, reason, None, ADDRESS)
    assert found.over


def test_client_with_four_keys_is_one_login_with_four_attempts() -> None:
    log = Log()
    for letter in "abc":
        log.record(PID, Outcome.REFUSED, "fingerprint-mismatch", fingerprint="SHA256:" + letter * 43)
    log.record(PID)
    log.record(PID, source="cache")
    log.accepted(PID)
    log.opened(PID)
    log.closed(PID)
    found = only(log)
    assert found.result is Result.LOGIN
    assert [(one.reason, one.count) for one in found.attempts] == [
        *[("fingerprint-mismatch", 1)] * 3,
        ("granted", 2),
    ]
    assert found.request_ids == ("r-1",)


def test_refusal_of_the_pushed_key_explains_more_than_those_of_other_keys() -> None:
    log = Log()
    log.record(PID, Outcome.REFUSED, "caller-forbidden")
    for letter in "abc":
        log.record(PID, Outcome.REFUSED, "fingerprint-mismatch", fingerprint="SHA256:" + letter * 43)
    log.sshd(
        PID,
        f"error: maximum authentication attempts exceeded for ec2-user from {ADDRESS} port 50000 ssh2 [preauth]",
        f"Disconnecting authenticating user ec2-user {ADDRESS} port 50000: Too many authentication failures [preauth]",
    )
    found = only(log)
    assert (found.result, found.reason) == (Result.REFUSED, "caller-forbidden")
    assert len(found.sshd) == 2


def test_multiplexed_sessions_of_one_connection_are_one_login() -> None:
    """ControlMaster: the second and third session leave no line of the monitor process."""
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    log.wait(30)
    log.sshd(PID + 1, f"Disconnected from user ec2-user {ADDRESS} port 50000", uid=USER_UID)
    log.closed(PID)
    found = only(log)
    assert found.result is Result.LOGIN
    assert found.session is not None
    assert found.session.ids == ("7",)


@pytest.mark.parametrize("program", ["sftp", "scp", "ssh -N"])
def test_session_without_a_shell_is_a_login(program: str) -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    log.sshd(PID + 1, f"subsystem request for {program} by user ec2-user", uid=USER_UID)
    log.closed(PID)
    assert only(log).result is Result.LOGIN


def test_session_of_a_client_that_vanished_ends_when_sshd_notices() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    log.wait(7200)
    log.sshd(PID + 1, f"Timeout, client not responding from user ec2-user {ADDRESS} port 50000", uid=USER_UID)
    log.closed(PID)
    session = only(log).session
    assert session is not None
    assert session.state is SessionState.CLOSED
    assert (session.length or 0) >= 7200 * SECOND


def test_session_that_sshd_could_not_close_ends_with_logind() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    log.wait(10)
    log.logind("3354939424b4456d9802ca8333ed424a", "7", PID)
    session = only(log).session
    assert session is not None
    assert (session.state, (session.length or 0) // SECOND) == (SessionState.CLOSED, 10)


def test_session_without_an_end_whose_process_is_gone_is_lost() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    session = only(log).session
    assert session is not None
    assert (session.state, session.closed, session.length) == (SessionState.LOST, None, None)


def test_session_without_an_end_whose_process_runs_is_open() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    found = only(log, running=[PID])
    assert found.session is not None
    assert found.session.state is SessionState.OPEN
    assert not found.over
    assert holders([found], "7") == [found]
    assert holders([found], "8") == []


def test_end_of_a_session_whose_begin_was_not_read_is_not_shown() -> None:
    log = Log()
    log.closed(PID)
    assert joined(log) == []


def test_restart_of_sshd_in_mid_session_changes_nothing() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    log.sshd(900, "Received signal 15; terminating.")
    log.sshd(PID + 7, "Server listening on 0.0.0.0 port 22.", "Server listening on :: port 22.")
    log.wait(60)
    log.closed(PID)
    found = only(log)
    assert found.session is not None
    assert (found.result, found.session.state) == (Result.LOGIN, SessionState.CLOSED)


def test_refusal_of_pam_after_a_grant_is_no_login_and_is_explained() -> None:
    log = Log()
    log.record(PID)
    log.record(PID, source="cache")
    log.sshd(
        PID,
        "pam_unix(sshd:account): account ec2-user has expired (account expired)",
        "fatal: Access denied for user ec2-user by PAM account configuration [preauth]",
    )
    found = only(log)
    assert (found.result, found.reason, found.login, found.session) == (Result.GRANTED, "granted", None, None)
    assert found.sshd == (
        "pam_unix(sshd:account): account ec2-user has expired (account expired)",
        "Access denied for user ec2-user by PAM account configuration",
    )
    assert found.request_ids == ()
    assert only(log, running=[PID]).over


def test_login_with_log_level_error_has_no_address_and_says_what_it_is_known_by() -> None:
    log = Log()
    log.record(PID)
    log.record(PID, source="cache")
    log.opened(PID)
    log.wait(5)
    log.closed(PID)
    found = only(log)
    assert found.login is not None
    assert (found.login.by, found.login.evidence) == (By.PUSHED_KEY, Evidence.SESSION_ONLY)
    assert (found.address, found.login.fingerprint, found.login.methods) == (None, KEY, ())
    assert found.session is not None
    assert (found.session.length or 0) // SECOND == 5


def test_login_of_another_method_with_log_level_error_is_not_by_a_pushed_key() -> None:
    log = Log()
    log.record(PID, Outcome.NONE, "no-active-keys")
    log.opened(PID)
    found = only(log)
    assert found.login is not None
    assert (found.login.by, found.login.evidence) == (By.OTHER, None)


def test_record_that_the_journal_has_after_sshds_line_is_joined() -> None:
    log = Log()
    log.accepted(PID)
    log.record(PID)
    log.opened(PID)
    found = only(log)
    assert found.login is not None
    assert found.login.by is By.PUSHED_KEY


def test_length_is_right_where_the_clock_was_set_during_the_session() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    log.wait(60)
    log.at -= 3600 * SECOND
    log.closed(PID)
    session = only(log).session
    assert session is not None
    assert (session.length or 0) // SECOND == 60


def test_session_of_no_sshd_process_is_not_shown() -> None:
    """A login at the console, or the session of user@.service."""
    log = Log()
    log.logind(SESSION_STARTED, "1", 555)
    assert joined(log) == []


def test_session_id_of_logind_before_pams_line_is_joined() -> None:
    log = Log()
    log.logind(SESSION_STARTED, "9", PID)
    log.opened(PID, session=None)
    session = only(log).session
    assert session is not None
    assert session.ids == ("9",)


def test_timeout_that_the_listener_logs_ends_the_connection() -> None:
    log = Log(identifier="sshd-session")
    log.record(PID, Outcome.REFUSED, "expired")
    log.sshd(900, f"Timeout before authentication for connection from {ADDRESS} to 10.0.0.2, pid = {PID}")
    found = only(log, running=[PID])
    assert (found.address, found.over) == (ADDRESS, True)


def test_records_without_a_process_of_sshd_are_not_joined() -> None:
    log = Log()
    log.record(None, Outcome.NONE, "no-active-keys")
    log.record(None, Outcome.NONE, "no-active-keys")
    assert [one.pid for one in joined(log)] == [None, None]


def test_several_callers_and_keys_of_one_record_are_distinguished() -> None:
    log = Log()
    log.record(PID, fingerprint=f"{OTHER_KEY}, {KEY}", caller=f"{CALLER}, {CALLER}2", request_id="r-1, r-2")
    log.accepted(PID)
    found = only(log)
    assert found.request_ids == ("r-1", "r-2")
    assert found.login is not None
    assert (found.login.by, found.login.fingerprint) == (By.PUSHED_KEY, KEY)


def test_fallback_key_is_distinguished_from_a_pushed_one() -> None:
    log = Log()
    log.record(PID, Outcome.FALLBACK, "fallback-file", source="file")
    log.accepted(PID)
    found = only(log)
    assert found.login is not None
    assert found.login.by is By.FALLBACK_FILE
    assert found.request_ids == ()


def test_last_grant_of_a_key_names_the_caller() -> None:
    log = Log()
    log.record(PID, caller=f"{CALLER}-1", request_id="r-1")
    log.record(PID, caller=f"{CALLER}-2", request_id="r-2")
    log.accepted(PID)
    assert only(log).request_ids == ("r-2",)


def test_lines_and_attempts_of_one_connection_are_bounded() -> None:
    log = Log()
    for number in range(200):
        log.record(PID, Outcome.REFUSED, "expired", fingerprint=f"SHA256:{number:043}")
        log.sshd(PID, f"error: AuthorizedKeysCommand /x failed, status {number}")
    found = only(log)
    assert len(found.attempts) == len(found.sshd) == 32
