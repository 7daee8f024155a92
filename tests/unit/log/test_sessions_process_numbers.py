# SPDX-License-Identifier: Apache-2.0
"""Process numbers that the system uses again, and boots."""

from __future__ import annotations

import pytest

from eic_sshd.log.connection import By, Result, SessionState
from eic_sshd.log.entries import SESSION_STARTED
from eic_sshd.log.sessions import Joiner
from eic_sshd.model.outcome import Outcome

from .journal import ADDRESS, SECOND, Log, joined, trusted

PID = 4242


def test_session_of_an_earlier_boot_is_not_open() -> None:
    before, after = Log(), Log(boot="c" * 32)
    before.record(PID)
    before.accepted(PID)
    before.opened(PID)
    after.at = before.at + SECOND
    after.record(PID + 1, Outcome.NONE, "no-active-keys")
    login, _ = joined(before, after, running=[PID])
    assert login.session is not None
    assert login.session.state is SessionState.LOST


def test_login_of_a_process_number_that_was_refused_by_pam_is_another_connection() -> None:
    log = Log()
    log.record(PID)
    log.sshd(PID, "fatal: Access denied for user ec2-user by PAM account configuration [preauth]")
    log.wait(5)
    log.opened(PID)
    refused, login = joined(log)
    assert (refused.result, login.login and login.login.by) == (Result.GRANTED, By.OTHER)


def test_process_number_that_is_used_again_is_another_connection() -> None:
    log = Log()
    log.login(PID)
    log.wait(3)
    log.login(PID, session="8")
    first, second = joined(log)
    assert [one.session and one.session.ids for one in (first, second)] == [("7",), ("8",)]


def test_process_number_that_is_used_again_after_a_refusal_is_another_connection() -> None:
    log = Log()
    log.record(PID, Outcome.REFUSED, "expired")
    log.wait(130)
    log.login(PID)
    assert [one.result for one in joined(log)] == [Result.REFUSED, Result.LOGIN]


def test_process_number_of_another_user_is_another_connection() -> None:
    log = Log()
    log.record(PID, user="root")
    log.accepted(PID, user="ec2-user")
    granted, login = joined(log, accounts={"root": 0, "ec2-user": 1000})
    assert (granted.user, granted.result, login.user, login.result) == (
        "root",
        Result.GRANTED,
        "ec2-user",
        Result.LOGIN,
    )
    assert login.login is not None
    assert login.login.by is By.OTHER


def test_same_process_number_of_another_boot_is_another_connection() -> None:
    first, second = Log(), Log(boot="c" * 32)
    first.record(PID)
    second.at = first.at
    second.accepted(PID)
    granted, login = joined(first, second)
    assert (granted.result, login.result) == (Result.GRANTED, Result.LOGIN)
    assert login.login is not None
    assert login.login.by is By.OTHER


def test_unlimited_login_grace_keeps_a_slow_login_together() -> None:
    log = Log()
    log.record(PID)
    log.wait(3600)
    log.accepted(PID)
    assert len(joined(log)) == 2
    assert len(joined(log, login_grace=0)) == 1


def test_login_with_a_connection_that_was_forgotten_begins_again() -> None:
    log = Log()
    log.login(PID)
    joiner = Joiner().add_all(trusted(log.entries))
    joiner.forget(joiner.current)
    assert joiner.current == ()
    assert joiner.connections(lambda *_: False) == []


def test_session_that_was_killed_is_lost_though_its_process_number_is_used_again() -> None:
    log = Log()
    for session in ("7", "8"):
        log.record(PID)
        log.accepted(PID)
        log.opened(PID, session=session)
        log.wait(3600)
    states = [one.session and one.session.state for one in joined(log, running=[PID])]
    assert states == [SessionState.LOST, SessionState.OPEN]


def test_session_after_one_without_an_end_is_not_its_grants() -> None:
    """`LogLevel ERROR`: PAM's lines are all that sshd's process leaves."""
    log = Log()
    log.record(PID)
    log.opened(PID)
    log.wait(86400)
    log.opened(PID, session="8")
    log.wait(10)
    log.closed(PID, session="8")
    first, second = joined(log)
    assert [one.login and one.login.by for one in (first, second)] == [By.PUSHED_KEY, By.OTHER]
    assert [one.session and one.session.state for one in (first, second)] == [SessionState.LOST, SessionState.CLOSED]
    assert [one.session and one.session.ids for one in (first, second)] == [("7",), ("8",)]


def test_other_session_of_logind_for_a_process_number_is_another_connection() -> None:
    log = Log()
    log.record(PID)
    log.opened(PID)
    log.wait(86400)
    log.logind(SESSION_STARTED, "8", PID)
    log.opened(PID, session=None)
    assert [one.session and one.session.ids for one in joined(log)] == [("7",), ("8",)]


@pytest.mark.parametrize(
    "line",
    [
        f'Connection from {ADDRESS} port 50000 on 10.0.0.2 port 22 rdomain ""',
        f"Connection closed by authenticating user ec2-user {ADDRESS} port 50001 [preauth]",
        "Connection closed by authenticating user ec2-user 203.0.113.8 port 50000 [preauth]",
    ],
)
def test_line_of_another_client_is_another_connection(line: str) -> None:
    log = Log()
    log.sshd(PID, f'Connection from {ADDRESS} port 50000 on 10.0.0.2 port 22 rdomain ""')
    log.record(PID, Outcome.REFUSED, "expired")
    log.sshd(PID, line)
    assert len(joined(log)) == 2


def test_begin_of_a_connection_that_the_journal_has_after_its_record_is_joined() -> None:
    log = Log()
    log.record(PID)
    log.sshd(PID, f'Connection from {ADDRESS} port 50000 on 10.0.0.2 port 22 rdomain ""')
    log.accepted(PID)
    assert len(joined(log)) == 1
