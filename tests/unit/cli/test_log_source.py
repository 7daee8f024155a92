# SPDX-License-Identifier: Apache-2.0
"""Where `eic-sshd log` reads, by `[log]`."""

from __future__ import annotations

from typing import Callable

import pytest

from eic_sshd.cli._log_source import source, warn_of_forged
from eic_sshd.config.schema import LogSettings
from eic_sshd.log.access import NoJournal
from eic_sshd.log.reader import CannotRead
from eic_sshd.log.source import Boot

UIDS = frozenset({0, 990})


def readable() -> None:
    """The journal can be read."""


def fails(problem: CannotRead) -> Callable[[], None]:
    def require() -> None:
        raise problem

    return require


NO_JOURNAL, DENIED = NoJournal("the journal", "none", "Start it"), CannotRead("the journal", "denied", "Run it as root")


@pytest.mark.parametrize("destination", ["syslog", "stderr"])
def test_destination_whose_records_have_no_fields_is_reported(destination: str) -> None:
    with pytest.raises(CannotRead, match=rf"\[log\] destination = {destination}: records there have no fields"):
        source(LogSettings(destination=destination), UIDS, Boot(), readable)


def test_journal_alone_is_read_by_default() -> None:
    found = source(LogSettings(), UIDS, Boot(), readable)
    assert (found.journal is None, found.file) == (False, None)


def test_file_is_read_beside_the_journal() -> None:
    found = source(LogSettings(destination="/var/log/records"), UIDS, Boot(), readable)
    assert (found.journal is None, found.file is None) == (False, False)


def test_file_is_read_without_a_journal_and_that_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    found = source(LogSettings(destination="/var/log/records"), UIDS, Boot(), fails(NO_JOURNAL))
    assert (found.journal, found.file is None) == (None, False)
    assert "Only eic-sshd's records are shown" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("destination", "problem"), [("journal", NO_JOURNAL), ("journal", DENIED), ("/var/log/records", DENIED)]
)
def test_journal_that_cannot_be_read_is_an_error(destination: str, problem: CannotRead) -> None:
    with pytest.raises(CannotRead, match=str(problem)):
        source(LogSettings(destination=destination), UIDS, Boot(), fails(problem))


@pytest.mark.parametrize(("level", "warned"), [(7, False), (6, False), (5, False), (4, True), (3, True)])
def test_level_that_leaves_out_grants_is_reported(level: int, warned: bool, capfd: pytest.CaptureFixture[str]) -> None:
    source(LogSettings(level=level), UIDS, Boot(), readable)
    assert ("granted keys are not recorded" in capfd.readouterr().err) is warned


def test_forged_records_are_reported_with_their_user(capfd: pytest.CaptureFixture[str]) -> None:
    warn_of_forged({4294967294: 3, 0: 1})
    shown = capfd.readouterr().err
    assert "root (uid 0) forged one record of eic-sshd" in shown
    assert "uid 4294967294 forged 3 records or more" in shown
