# SPDX-License-Identifier: Apache-2.0
"""Entries that users write who may not write any."""

from __future__ import annotations

from typing import Callable, List, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st

from eic_sshd.log.connection import By, SessionState
from eic_sshd.log.entries import SESSION_ENDED, SESSION_STARTED
from eic_sshd.model.outcome import Outcome

from .journal import ADDRESS, EIC_UID, KEY, USER_UID, Log, joined, only

PID = 4242


def test_forged_record_is_not_shown() -> None:
    log = Log()
    log.record(PID, uid=USER_UID, user="root")
    assert joined(log) == []


def test_forged_line_of_sshd_is_no_login() -> None:
    log = Log()
    log.sshd(
        PID,
        f"Accepted publickey for root from {ADDRESS} port 50000 ssh2: ED25519 {KEY}",
        "pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)",
        uid=USER_UID,
    )
    assert joined(log) == []


def test_forged_record_makes_no_pushed_key_of_another_login() -> None:
    log = Log()
    log.record(PID, uid=USER_UID)
    log.accepted(PID)
    log.opened(PID)
    found = only(log)
    assert found.login is not None
    assert (found.login.by, found.attempts) == (By.OTHER, ())


def test_forged_end_ends_no_session() -> None:
    log = Log()
    log.record(PID)
    log.accepted(PID)
    log.opened(PID)
    log.sshd(PID, "pam_unix(sshd:session): session closed for user ec2-user", uid=USER_UID)
    log.logind("3354939424b4456d9802ca8333ed424a", "7", PID, uid=USER_UID)
    session = only(log, running=[PID]).session
    assert session is not None
    assert session.state is SessionState.OPEN


def test_line_of_the_unprivileged_process_is_no_login() -> None:
    log = Log()
    log.sshd(PID, f"Accepted publickey for ec2-user from {ADDRESS} port 50000 ssh2: ED25519 {KEY} [preauth]")
    assert joined(log) == []


# Each writes what a real login would have, as a user who may not.
_FORGERIES: List[Callable[[Log, int, int], None]] = [
    lambda log, uid, pid: log.record(pid, uid=uid),
    lambda log, uid, pid: log.record(pid, Outcome.REFUSED, "expired", uid=uid, user="root"),
    lambda log, uid, pid: log.record(None, uid=uid),
    lambda log, uid, pid: log.sshd(
        pid, f"Accepted publickey for root from {ADDRESS} port 50000 ssh2: ED25519 {KEY}", uid=uid
    ),
    lambda log, uid, pid: log.sshd(pid, "pam_unix(sshd:session): session opened for user root by (uid=0)", uid=uid),
    lambda log, uid, pid: log.sshd(pid, "pam_unix(sshd:session): session closed for user ec2-user", uid=uid),
    lambda log, uid, pid: log.sshd(pid, f"Connection closed by {ADDRESS} port 1 [preauth]", uid=uid),
    lambda log, uid, pid: log.logind(SESSION_STARTED, "7", pid, uid=uid),
    lambda log, uid, pid: log.logind(SESSION_ENDED, "7", pid, uid=uid),
]
_REAL: List[Callable[[Log], None]] = [
    lambda log: log.record(PID, Outcome.REFUSED, "fingerprint-mismatch", fingerprint="SHA256:x"),
    lambda log: log.record(PID),
    lambda log: log.accepted(PID),
    lambda log: log.opened(PID),
    lambda log: log.closed(PID),
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(_REAL)),
            st.sampled_from(range(len(_FORGERIES))),
            st.sampled_from([USER_UID, USER_UID + 1, 33, 65534]),
            st.sampled_from([PID, PID + 1, 1]),
        ),
        max_size=12,
    )
)
def test_entries_of_other_users_change_nothing(forgeries: List[Tuple[int, int, int, int]]) -> None:
    """`forgeries`: before which real entry, which, by whom, about which process."""
    log = Log()
    real = 0
    for position in range(len(_REAL) + 1):
        for before, which, uid, pid in forgeries:
            if before == position:
                _FORGERIES[which](log, uid, pid)
        if position < len(_REAL):
            begun = len(log.entries)
            _REAL[position](log)
            real += len(log.entries) - begun
    without = Log()
    without.entries = [raw for raw in log.entries if raw["_UID"] in (b"0", str(EIC_UID).encode())]
    assert len(without.entries) == real
    assert joined(log) == joined(without)
    assert only(log).login is not None
