# SPDX-License-Identifier: Apache-2.0
"""Records in a file beside sshd's lines in the journal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, Optional

import pytest

from eic_sshd.log.connection import By, Connection
from eic_sshd.log.entries import Origin
from eic_sshd.log.reader import Span
from eic_sshd.log.record_file import RecordFile
from eic_sshd.log.sessions import Joiner
from eic_sshd.log.source import Boot, Source

from .journal import BEGIN, BOOT, RECORD_UIDS, SECOND, Log, MemoryJournal
from .json_lines import PID, line


def file(folder: Path, *times: int, pid: int = PID) -> RecordFile:
    """A file with a grant at each of the times."""
    (folder / "records").write_text("".join(line(at, pid) for at in times))
    (folder / "records").chmod(0o640)
    return RecordFile("/records", (os.getuid(),), str(folder))


def login() -> Log:
    log = Log()
    log.wait(1)
    log.accepted(PID)
    log.opened(PID)
    return log


def by(connection: Connection) -> Optional[By]:
    return connection.login.by if connection.login else None


def test_record_in_a_file_is_joined_with_the_login_in_the_journal(tmp_path: Path) -> None:
    source = Source(MemoryJournal(login().entries), RECORD_UIDS, file(tmp_path, BEGIN, BEGIN + SECOND // 2))
    before, after = Joiner().add_all(source.entries(Span())).connections(lambda *_: False), source.of_process(PID, BOOT)
    assert [by(one) for one in before if one.login] == [By.PUSHED_KEY]
    assert len(after) == 5


def test_record_of_another_process_is_not_joined(tmp_path: Path) -> None:
    source = Source(MemoryJournal(login().entries), RECORD_UIDS, file(tmp_path, BEGIN + SECOND, pid=PID + 1))
    found = Joiner().add_all(source.entries(Span())).connections(lambda *_: False)
    assert [by(one) for one in found if one.login] == [By.OTHER]
    assert len(source.of_process(PID, BOOT)) == 3


def test_records_are_known_without_a_journal(tmp_path: Path) -> None:
    source = Source(None, RECORD_UIDS, file(tmp_path, BEGIN))
    assert len(list(source.entries(Span()))) == 1
    assert (source.of_process(PID, BOOT), source.leader("7", BOOT), source.first(), source.forged(Span())) == (
        [],
        None,
        0,
        {},
    )


class Stop(Exception):
    """Ends a `follow` that has no end."""


def test_file_is_followed_without_a_journal(tmp_path: Path) -> None:
    def add(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 2:
            raise Stop
        with open(tmp_path / "records", "a") as opened:
            opened.write(line(BEGIN + SECOND))

    waits: List[float] = []
    batches = Source(None, RECORD_UIDS, file(tmp_path, BEGIN), sleep=add).follow(Span(), 0.5)
    assert [[entry.at for entry in next(batches)] for _ in range(3)] == [[BEGIN], [BEGIN + SECOND], [BEGIN + SECOND]]
    with pytest.raises(Stop):
        next(batches)
    assert waits == [0.5] * 3


def test_session_of_this_boot_has_the_record_in_the_file(tmp_path: Path) -> None:
    """The record of the same process number before the boot is of another process."""
    source = Source(MemoryJournal(login().entries), RECORD_UIDS, file(tmp_path, BEGIN - 61 * SECOND, BEGIN))
    (found,) = Joiner().add_all(source.of_process(PID, BOOT)).connections(lambda *_: True)
    assert by(found) is By.PUSHED_KEY
    assert found.attempts[0].count == 1


def test_record_that_is_followed_before_its_login_has_its_boot(tmp_path: Path) -> None:
    log = login()
    source = Source(
        MemoryJournal([], later=[log.entries]), RECORD_UIDS, file(tmp_path, BEGIN), Boot(BOOT, BEGIN - 60 * SECOND)
    )
    joiner = Joiner()
    for batch in source.follow(Span(), 0.1):
        joiner.add_all(batch)
    assert [by(one) for one in joiner.connections(lambda *_: True)] == [By.PUSHED_KEY]


def test_first_record_after_a_boot_is_of_that_boot(tmp_path: Path) -> None:
    before = login()
    after = Log(boot="c" * 32, at=before.at + 100 * SECOND)  # the boot began 60 s before
    after.wait(1)
    after.accepted(PID)
    after.opened(PID)
    source = Source(MemoryJournal([*before.entries, *after.entries]), RECORD_UIDS, file(tmp_path, after.at - SECOND))
    found = Joiner().add_all(source.entries(Span())).connections(lambda *_: False)
    assert [(one.boot[0], by(one)) for one in found] == [("b", By.OTHER), ("c", By.PUSHED_KEY)]


def test_last_record_before_a_boot_is_of_the_boot_before(tmp_path: Path) -> None:
    before = login()
    after = Log(boot="c" * 32, at=before.at + 100 * SECOND)
    after.accepted(PID)
    records = file(tmp_path, before.at + SECOND, after.at + SECOND)
    present = Boot("d" * 32, after.at + SECOND)
    found = Source(MemoryJournal([*before.entries, *after.entries]), RECORD_UIDS, records, present).entries(Span())
    assert [one.boot[0] for one in found if one.origin is Origin.RECORD] == ["b", "d"]


def test_both_are_followed(tmp_path: Path) -> None:
    log = login()
    source = Source(MemoryJournal([], later=[log.entries]), RECORD_UIDS, file(tmp_path, BEGIN))
    assert [len(batch) for batch in source.follow(Span(), 0.1)] == [1, 3]


@pytest.mark.parametrize(("session", "boot", "leader"), [("7", BOOT, PID), ("8", BOOT, None), ("7", "c" * 32, None)])
def test_leader_of_a_session_is_its_sshd_process(session: str, boot: str, leader: Optional[int]) -> None:
    assert Source(MemoryJournal(login().entries), RECORD_UIDS).leader(session, boot) == leader
