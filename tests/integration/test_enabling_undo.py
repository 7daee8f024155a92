# SPDX-License-Identifier: Apache-2.0
"""What `enable` and `disable` keep, and what they roll back when they fail."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence

import pytest

from eic_sshd.cli._admin import run_as_admin
from eic_sshd.config import loader
from eic_sshd.diagnose.finding import error as finding
from eic_sshd.host.errors import MachineError
from eic_sshd.paths import CLIENT_COMMAND
from eic_sshd.setup import SetupRefused, SshdNotListening, SshdStillConfigured
from eic_sshd.setup.changes import Changes
from eic_sshd.setup.disable import disable
from eic_sshd.setup.services import Services
from eic_sshd.setup.target import Target
from eic_sshd.sshd.drop_in import PLAIN, foreign_lines
from eic_sshd.sshd.program import Sshd
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def test_lines_by_hand_that_run_eic_sshd_are_kept(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + PLAIN.text().replace("%u %f", "--config /x %u %f"))
    before = machine.files()
    assert "by a line of your own" in machine.enable()[0]
    assert "so nothing is chained" in machine.enable(chain=True)[1]
    assert machine.files() == before


THEIRS = """# ours too
PermitRootLogin no
Match User git
    AuthorizedKeysCommand /usr/bin/true git
    AuthorizedKeysCommandUser nobody
"""


def test_foreign_lines_in_our_drop_in_are_kept(machine: Machine) -> None:
    machine.enable()
    with open(machine.site.drop_in, "a") as file:
        file.write(THEIRS)
    machine.enable()
    assert Path(machine.site.drop_in).read_text() == PLAIN.text() + THEIRS
    assert any("(# ours too)" in report for report in machine.disable())
    assert Path(machine.site.drop_in).read_text() == THEIRS
    assert machine.effective == ("none", "none")
    machine.enable()
    assert Path(machine.site.drop_in).read_text() == PLAIN.text() + THEIRS
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    assert Path(machine.site.drop_in).read_text().endswith(THEIRS)


def test_only_lines_that_name_eic_sshd_are_ours() -> None:
    assert foreign_lines(PLAIN.text()) == []
    assert foreign_lines(f"{PLAIN.text()}\n\n") == []
    for line in ("AuthorizedKeysCommandUser nobody", "AuthorizedKeysCommand /x %u", "# x", f"Banner {CLIENT_COMMAND}"):
        assert foreign_lines(f"{line}\n{PLAIN.text()}") == [line]
        assert foreign_lines(f"{PLAIN.text()}{line}\n") == [line]


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_link_or_folder_in_our_drop_ins_place_is_kept(machine: Machine, kind: str) -> None:
    if kind == "link":
        os.symlink("/dev/null", machine.site.drop_in)
    else:
        os.mkdir(machine.site.drop_in)
    assert "it is not a plain file" in machine.refusal()
    assert os.path.lexists(machine.site.drop_in)


def test_a_foreign_file_in_the_chains_place_is_kept(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/conf.d/60-chain.conf", "[chain]\ncommand = /usr/bin/false\n")
    assert "eic-sshd did not write it and would overwrite it. Give it another name" in machine.refusal(chain=True)
    machine.disable()
    assert loader.load(machine.site.our_config).chain.command == "/usr/bin/false"


def test_a_change_that_sshd_rejects_is_rolled_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file of the administrator, which is restored with its mode.
    machine.write("sshd_config.d/60-eic-sshd.conf", "# mine\n")
    Path(machine.site.drop_in).chmod(0o600)
    wrong = PLAIN._replace(command="relative/path")
    monkeypatch.setattr("eic_sshd.setup.enable.PLAIN", wrong)
    assert "sshd rejects the change (" in machine.refusal()
    assert Path(machine.site.drop_in).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [KeyboardInterrupt, SetupRefused(finding("x", "sshd", "x"))])
def test_after_any_exception_all_files_are_restored_and_sshd_is_reloaded_again(
    machine: Machine, error: BaseException
) -> None:
    reloads: List[Dict[str, bytes]] = []

    class Breaking(Services):
        def reload_sshd(self, sshds: Sequence[Sshd]) -> None:
            self.reload_sent = True
            reloads.append(machine.files())
            if len(reloads) == 1:
                raise error

    machine.services = Breaking
    before = machine.files()
    with pytest.raises((KeyboardInterrupt, MachineError)):
        machine.enable()
    assert machine.files() == before
    assert reloads[0] != before
    assert reloads[1:] == [before]


def test_a_line_after_our_command_is_ours_only_if_it_sets_the_user() -> None:
    text = f"AuthorizedKeysCommand {PLAIN.command}\nBanner none\n"
    assert foreign_lines(text) == ["Banner none"]
    user = "AuthorizedKeysCommandUser eic-sshd"
    assert foreign_lines(f"{text}{user}\n") == ["Banner none", user]
    assert foreign_lines(f"AuthorizedKeysCommand {PLAIN.command}\n\n# theirs\n{user}\n") == ["", "# theirs"]


def test_a_file_that_cannot_be_written_is_named(machine: Machine) -> None:
    folder = Path(machine.site.sshd_drop_ins)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True)
    try:
        message = machine.refusal()
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert message == f"{machine.site.drop_in}: it cannot be written (Read-only file system)."
    assert machine.reports == []  # nothing was written, so nothing is restored


def test_disable_on_a_read_only_disk_reports_that_sshd_is_still_configured(machine: Machine) -> None:
    machine.enable()
    folder = Path(machine.site.sshd_drop_ins)
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    machine.reports.clear()
    try:
        with pytest.raises(SshdStillConfigured, match=r"60-eic-sshd.conf: it cannot be removed .Read-only file system"):
            disable(machine.target)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert machine.reports == []


@pytest.mark.parametrize("chain", [False, True])
def test_disable_removes_the_folders_that_enable_made_and_no_others(machine: Machine, chain: bool) -> None:
    machine.sshd_config(INCLUDE + (OTHER if chain else ""))
    shutil.rmtree(machine.folder / "eic-sshd/conf.d")
    os.rmdir(machine.site.sshd_drop_ins)
    before = sorted(machine.folder.rglob("*"))
    machine.enable(chain)
    machine.enable(chain)
    assert os.path.isdir(machine.site.sshd_drop_ins)
    machine.disable()
    assert sorted(machine.folder.rglob("*")) == before
    os.mkdir(machine.site.sshd_drop_ins)
    machine.enable(chain)
    machine.write("eic-sshd/conf.d/70-mine.conf", "")
    machine.disable()
    assert os.path.isdir(machine.site.sshd_drop_ins)
    assert Path(machine.folder / "eic-sshd/conf.d/70-mine.conf").exists()


def test_folders_that_cannot_be_noted_are_reported_and_eic_sshd_is_enabled(machine: Machine) -> None:
    os.rmdir(machine.site.sshd_drop_ins)
    machine.write("var", "no folder")
    assert f"will leave empty folders: {machine.site.sshd_drop_ins}" in machine.enable()[-1]
    assert Path(machine.site.drop_in).exists()


@pytest.fixture
def signals() -> Iterator[None]:
    """Puts the handlers of this process back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_standard_output_that_cannot_be_written_to_does_not_stop_a_change(
    signals: None, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    done = []

    def change(target: Target) -> None:
        target.report("\udcff \u00f6")  # a file may contain that
        target.report("x")
        done.append("x")

    with open("/dev/full", "w", encoding=encoding) as full:
        for stream in (full, None):  # None: it was closed when Python started
            monkeypatch.setattr("sys.stdout", stream)
            assert run_as_admin(argparse.Namespace(dry_run=True), change) == 0
    assert done == ["x", "x"]


def test_a_reader_that_does_not_read_does_not_stop_a_change(signals: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eic_sshd.cli.output._READER_TIMEOUT", 0.1)
    done = []

    def change(target: Target) -> None:
        for number in range(3):
            target.report("x" * 4000)
            done.append(number)

    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(read), os.fdopen(write, "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert run_as_admin(argparse.Namespace(dry_run=True), change) == 0
    assert done == [0, 1, 2]


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (SetupRefused(finding("x", "x", "x")), 1),
        (SshdNotListening("x", "x"), 1),
        (SshdStillConfigured(finding("x", "x", "x")), 3),
    ],
)
def test_the_exit_status_shows_whether_sshd_may_still_run_eic_sshd(
    signals: None, problem: Exception, status: int
) -> None:
    def change(target: Target) -> None:
        raise problem

    assert run_as_admin(argparse.Namespace(dry_run=True), change) == status


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_rolls_the_change_back(machine: Machine, signals: None, number: signal.Signals) -> None:
    before = machine.files()

    def change(target: Target) -> None:
        with machine.target.all_or_nothing() as changes:
            changes.write(machine.site.drop_in, "x")
            os.kill(os.getpid(), number)
            changes.write(machine.site.drop_in, "never")

    assert run_as_admin(argparse.Namespace(dry_run=False), change) == 1
    assert machine.files() == before


@pytest.mark.parametrize("before", [None, "before\n"])
def test_a_file_that_was_changed_twice_is_restored_to_its_first_state(tmp_path: Path, before: Optional[str]) -> None:
    path = tmp_path / "folder/file"
    if before is not None:
        path.parent.mkdir()
        path.write_text(before)
    changes = Changes(lambda sentence: None, dry_run=False)
    changes.write(str(path), "once\n")
    changes.write(str(path), "twice\n")
    changes.remove(str(path), and_folder=True)
    changes.roll_back()
    assert (path.read_text() if path.exists() else None) == before
    assert path.parent.exists() == (before is not None)


def test_a_full_disk_leaves_no_new_folder(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)], check=True)
    try:
        (disk / "filling").write_bytes(b"x" * 4096)
        changes = Changes(lambda sentence: None, dry_run=False)
        with pytest.raises(SetupRefused, match="No space left on device"):
            changes.write(str(disk / "folder/file"), "x" * 4096)
        changes.roll_back()
        assert os.listdir(disk) == ["filling"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_changed_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("theirs\n")
    path.chmod(0o600)
    changes = Changes(lambda sentence: None, dry_run=False)
    changes.write(str(path), "ours\n")
    assert path.stat().st_mode & 0o777 == 0o600
    changes.roll_back()
    assert path.stat().st_mode & 0o777 == 0o600
