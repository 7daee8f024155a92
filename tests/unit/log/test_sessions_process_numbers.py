# SPDX-License-Identifier: Apache-2.0
"""Process numbers that the system uses again, and boots."""

from __future__ import annotations

from eic_sshd.log.connection import By, Result, SessionState
from eic_sshd.log.sessions import Joiner
from eic_sshd.model.outcome import Outcome

from .journal import SECOND, Log, joined, trusted

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
    granted, login = joined(log)
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
