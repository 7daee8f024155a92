# SPDX-License-Identifier: Apache-2.0
"""A real sshd, outside of systemd, that is told to read its configuration."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Iterator, List

import pytest

from eic_sshd.enabling import Unfinished
from eic_sshd.enabling.units import Units
from eic_sshd.sandbox import private_host
from eic_sshd.sandbox.sshd import Sshd

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="an sshd of its own needs root")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(str(tmp_path / "sshd"), None) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path, sshd: Sshd) -> str:
    """A root where this sshd is the only process, so that no other is told."""
    (tmp_path / "root/proc").mkdir(parents=True)
    (tmp_path / "root/proc" / str(sshd.pid)).symlink_to(f"/proc/{sshd.pid}")
    return str(tmp_path / "root")


def test_once_sshd_was_told_whoever_comes_next_finds_it(sshd: Sshd, root: str) -> None:
    told: List[str] = []
    for _ in range(20):
        units = Units(told.append, False, root)
        units.reload_sshd()
        units.require_sshd_back()
        socket.create_connection(("127.0.0.1", sshd.port), timeout=5).close()
    assert set(told) == {f"sent SIGHUP to sshd, process {sshd.pid}, which systemd does not look after"}


def test_an_sshd_that_does_not_come_back_is_told_of(sshd: Sshd, root: str) -> None:
    os.unlink(os.path.join(sshd.folder, "host_key"))
    units = Units(lambda sentence: None, False, root, patience=0.5)
    units.reload_sshd()
    with pytest.raises(Unfinished, match=rf"sshd \(process {sshd.pid}\) was told, and does not wait"):
        units.require_sshd_back()


def test_a_dry_run_tells_nobody(sshd: Sshd, root: str) -> None:
    told: List[str] = []
    Units(told.append, True, root).reload_sshd()
    assert told == [f"would send SIGHUP to sshd, process {sshd.pid}"]
    Units(told.append, False, root).reload_sshd()
    with open(sshd.log, encoding="utf-8") as log:
        assert log.read().count("Received SIGHUP") == 1
