# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time

import pytest

from eic_sshd.deadline import Deadline
from eic_sshd.decision import NotGranted, Reason
from eic_sshd.keyblob import Block
from eic_sshd.memory import Grant, Memory
from eic_sshd.sandbox.pki import Pki
from eic_sshd.signer import Signer
from eic_sshd.sshkey import parse
from tests import keys

NOW = 1_000_000.0


def grant(timestamp: int) -> Grant:
    line = keys.ed25519_line().encode()
    return Grant(Block(timestamp, "i-0", None, None, line, b"", b""), parse(line), "i-0")


def test_a_grant_is_remembered_for_its_user_and_fingerprint_until_its_timestamp() -> None:
    memory, one = Memory(), grant(int(NOW) + 10)
    memory.remember_grants("root", [one], NOW, 0.0)
    assert memory.grant("root", one.key.fingerprint, NOW + 9, 0.0) == one
    assert memory.grant("root", one.key.fingerprint, NOW + 10, 0.0) is None
    assert memory.grant("other", one.key.fingerprint, NOW, 0.0) is None
    assert memory.grant("root", grant(0).key.fingerprint, NOW, 0.0) is None


def test_a_clock_set_back_revives_no_grant() -> None:
    memory, one = Memory(), grant(int(NOW) + 10)
    memory.remember_grants("root", [one], NOW, 500.0)
    assert memory.grant("root", one.key.fingerprint, NOW - 100, 509.0) == one
    assert memory.grant("root", one.key.fingerprint, NOW - 100, 510.0) is None
    assert memory.grant("root", one.key.fingerprint, NOW - 100, 509.0) is None


def test_the_later_push_of_a_key_counts() -> None:
    memory, early = Memory(), grant(int(NOW) + 10)
    late = early._replace(block=early.block._replace(timestamp=int(NOW) + 60))
    memory.remember_grants("root", [early], NOW, 0.0)
    memory.remember_grants("root", [late], NOW, 0.0)
    assert memory.grant("root", early.key.fingerprint, NOW + 30, 0.0) == late


def test_expired_grants_make_room_and_the_memory_is_bounded() -> None:
    memory, one = Memory(), grant(int(NOW) + 10)
    for number in range(1100):
        memory.remember_grants(f"user{number}", [one], NOW, 0.0)
    assert memory.grant("user0", one.key.fingerprint, NOW, 0.0) == one
    assert memory.grant("user1099", one.key.fingerprint, NOW, 0.0) is None
    memory.remember_grants("user1099", [one._replace(block=one.block._replace(timestamp=int(NOW) + 99))], NOW + 20, 0.0)
    assert memory.grant("user1099", one.key.fingerprint, NOW + 20, 0.0) is not None
    assert len(memory._grants) == 1


@pytest.mark.parametrize(("valid_for", "holds_for"), [(100, 100), (7200, 3600)])
def test_a_signer_holds_for_an_hour_or_as_long_as_its_papers(pki: Pki, valid_for: int, holds_for: int) -> None:
    memory, signer = Memory(), Signer(pki.signer.key.public_key(), int(NOW) + valid_for)
    memory.remember_signer(b"chain", signer, NOW)
    assert memory.signer(NOW + holds_for - 1) is signer
    assert memory.signer(NOW + holds_for - 1, b"chain") is signer
    assert memory.signer(NOW + holds_for) is None


def test_a_signer_is_known_by_the_exact_bytes_of_its_chain(pki: Pki) -> None:
    memory = Memory()
    memory.remember_signer(b"chain", Signer(pki.signer.key.public_key(), 2**40), NOW)
    assert memory.signer(NOW, b"chain\n") is None


def test_a_clock_set_back_by_a_day_makes_no_signer_last_longer(pki: Pki) -> None:
    memory = Memory()
    memory.remember_signer(b"chain", Signer(pki.signer.key.public_key(), 2**40), NOW)
    assert memory.signer(NOW - 86400) is None


def test_one_thread_at_a_time_verifies_and_nobody_waits_past_his_deadline() -> None:
    memory = Memory()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with memory.verifying(Deadline.after(5, time.monotonic)):
            entered.set()
            leave.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(5)
    with pytest.raises(NotGranted) as caught, memory.verifying(Deadline.after(0.05, time.monotonic)):
        pass
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    leave.set()
    holder.join()
    with memory.verifying(Deadline.after(0.05, time.monotonic)):
        pass
