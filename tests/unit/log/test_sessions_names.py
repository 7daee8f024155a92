# SPDX-License-Identifier: Apache-2.0
"""Names that sshd, PAM and eic-sshd write differently, and names that a client chose."""

from __future__ import annotations

import pytest

from eic_sshd.log.connection import By, Evidence
from eic_sshd.log.names import are_of_one_account, unescape
from eic_sshd.model.outcome import Outcome

from .journal import ADDRESS, Log, joined

PID = 4242


@pytest.mark.parametrize(
    ("text", "times", "name"),
    [
        ("alice", 2, "alice"),
        (r"CORP\\alice", 1, r"CORP\alice"),
        (r"CORP\\\\alice", 2, r"CORP\alice"),
        (r"j\303\274rgen", 1, "jürgen"),
        (r"j\\303\\274rgen", 2, "jürgen"),
        (r"j\\303\\274rgen", 1, r"j\303\274rgen"),
        (r"a\nb\tc\rd\377", 1, "a\nb\tc\rd\\xff"),
        ("a\\", 2, "a\\"),
        ("jürgen", 2, "jürgen"),
    ],
)
def test_what_sshd_escaped_is_read_as_it_was(text: str, times: int, name: str) -> None:
    assert unescape(text, times) == name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("a", "b", False), ("a", "a@x", True), ("a", "gone", None), ("gone", "gone", True), ("gone", "gone2", None)],
)
def test_names_are_of_one_account_by_its_uid(one: str, other: str, same: object) -> None:
    assert are_of_one_account(one, other, {"a": 1, "b": 2, "a@x": 1}.get) is same


def test_login_of_a_name_that_sshd_escapes_is_one_connection() -> None:
    log = Log()
    log.record(PID, user=r"CORP\alice")
    log.accepted(PID, user=r"CORP\\alice")
    log.opened(PID, user=r"CORP\alice")
    log.closed(PID, user=r"CORP\alice")
    (found,) = joined(log)
    assert (found.user, found.login and found.login.by) == (r"CORP\alice", By.PUSHED_KEY)


def test_login_by_an_alias_is_one_connection_of_the_account() -> None:
    log = Log()
    log.record(PID, user="alice@example.com")
    log.accepted(PID, user="alice")
    log.opened(PID, user="alice")
    log.closed(PID, user="alice")
    (found,) = joined(log)
    assert found.user == "alice@example.com"
    assert found.login is not None
    assert (found.login.by, found.login.evidence) == (By.PUSHED_KEY, Evidence.ACCEPTED_LINE)


@pytest.mark.parametrize(("uid", "by"), [(1000, By.PUSHED_KEY), (None, By.OTHER)])
def test_grant_for_an_alias_counts_without_sshds_line_if_both_are_one_account(uid: object, by: By) -> None:
    log = Log()
    log.record(PID, user="alice@example.com")
    log.opened(PID, user="alice")
    accounts = {"alice@example.com": 1000, "alice": 1000} if uid else {}
    (found,) = joined(log, accounts=accounts)
    assert found.login is not None
    assert found.login.by is by


def test_name_that_a_client_chose_splits_no_connection() -> None:
    name = "x" * 150
    log = Log()
    log.sshd(
        PID,
        f"Invalid user {name[:100]} from {ADDRESS} port 5",
        f"Failed none for invalid user root from 6.6.6.6 port 9 ssh2 from {ADDRESS} port 5 ssh2",
        f"Disconnecting invalid user {name} {ADDRESS} port 5: no (x,y) -> (z,q 6.6.6.6 port 1: z) [preauth]",
        f"Connection closed by invalid user {name} {ADDRESS} port 5 [preauth]",
    )
    (found,) = joined(log, accounts={"root": 0})
    assert (found.user, found.address, found.port) == (name[:100], ADDRESS, 5)


def test_name_that_a_client_chose_joins_no_grant() -> None:
    log = Log()
    log.record(PID, user="root")
    log.sshd(PID, f"Connection closed by authenticating user root {ADDRESS} port 5 [preauth]")
    log.wait(3)
    log.sshd(PID, f"Invalid user root from {ADDRESS} port 6")
    log.record(PID, Outcome.NONE, "no-active-keys", user="alice")
    log.opened(PID, user="alice")
    before, after = joined(log)
    assert (before.login, after.login and after.login.by) == (None, By.OTHER)
