# SPDX-License-Identifier: Apache-2.0
"""What `enable` and `disable` leave alone, and what they put back when they can't go on."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Type

import pytest

from eic_sshd.cli._administering import administering
from eic_sshd.config import loader
from eic_sshd.host.errors import MachineError
from eic_sshd.model.keys_command import FRONT_DOOR
from eic_sshd.setup import Refused, StillAsks, Unfinished
from eic_sshd.setup.changes import Changes
from eic_sshd.setup.disable import disable
from eic_sshd.setup.services import Units
from eic_sshd.setup.target import Target
from eic_sshd.sshd.drop_in import PLAIN, others_in
from eic_sshd.sshd.program import Sshd
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def test_one_who_put_us_in_place_by_hand_is_left_alone(machine: Machine) -> None:
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


def test_lines_of_theirs_in_a_file_of_ours_stay_in_it(machine: Machine) -> None:
    machine.enable()
    with open(machine.site.drop_in, "a") as file:
        file.write(THEIRS)
    machine.enable()
    assert Path(machine.site.drop_in).read_text() == PLAIN.text() + THEIRS
    assert any("# ours too" in sentence for sentence in machine.disable())
    assert Path(machine.site.drop_in).read_text() == THEIRS
    assert machine.effective == ("none", "none")
    machine.enable()
    assert Path(machine.site.drop_in).read_text() == PLAIN.text() + THEIRS
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    assert Path(machine.site.drop_in).read_text().endswith(THEIRS)


def test_only_lines_that_name_us_are_ours() -> None:
    assert others_in(PLAIN.text()) == []
    assert others_in(f"{PLAIN.text()}\n\n") == []
    for line in ("AuthorizedKeysCommandUser nobody", "AuthorizedKeysCommand /x %u", "# x", f"Banner {FRONT_DOOR}"):
        assert others_in(f"{line}\n{PLAIN.text()}") == [line]
        assert others_in(f"{PLAIN.text()}{line}\n") == [line]


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_somebody_put_in_our_files_place_stays(machine: Machine, kind: str) -> None:
    if kind == "link":
        os.symlink("/dev/null", machine.site.drop_in)
    else:
        os.mkdir(machine.site.drop_in)
    assert "is no plain file" in machine.refusal()
    assert os.path.lexists(machine.site.drop_in)


def test_a_file_of_theirs_in_the_chains_place_stays(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/conf.d/60-chain.conf", "[chain]\ncommand = /usr/bin/false\n")
    assert "is not of our making: give it another name" in machine.refusal(chain=True)
    machine.disable()
    assert loader.load(machine.site.our_config).chain.command == "/usr/bin/false"


def test_a_change_that_sshd_does_not_take_is_put_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root's own file, which is put back with its mode and all.
    machine.write("sshd_config.d/60-eic-sshd.conf", "# mine\n")
    Path(machine.site.drop_in).chmod(0o600)
    wrong = PLAIN._replace(command="relative/path")
    monkeypatch.setattr("eic_sshd.setup.enable.PLAIN", wrong)
    assert "sshd does not take it" in machine.refusal()
    assert Path(machine.site.drop_in).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [KeyboardInterrupt, Refused("reloading failed")])
def test_whatever_breaks_it_off_everything_is_put_back_and_sshd_told_again(
    machine: Machine, error: BaseException
) -> None:
    told: List[Dict[str, bytes]] = []

    class Breaking(Units):
        def reload_sshd(self, sshds: Sequence[Sshd]) -> None:
            self.told_sshd = True
            told.append(machine.files())
            if len(told) == 1:
                raise error

    machine.units = Breaking
    before = machine.files()
    with pytest.raises((KeyboardInterrupt, MachineError)):
        machine.enable()
    assert machine.files() == before
    assert told[0] != before
    assert told[1:] == [before]


def test_a_line_after_our_command_is_ours_only_if_it_names_its_user() -> None:
    text = f"AuthorizedKeysCommand {PLAIN.command}\nBanner none\n"
    assert others_in(text) == ["Banner none"]
    user = "AuthorizedKeysCommandUser eic-sshd"
    assert others_in(f"{text}{user}\n") == ["Banner none", user]
    assert others_in(f"AuthorizedKeysCommand {PLAIN.command}\n\n# theirs\n{user}\n") == ["", "# theirs"]


def test_what_cannot_be_written_is_said_with_its_path(machine: Machine) -> None:
    folder = Path(machine.site.sshd_drop_ins)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True)
    try:
        said = machine.refusal()
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert said == f"{machine.site.drop_in} can't be written: Read-only file system"
    assert machine.told == []  # nothing is written, nothing is to be put back


def test_on_a_read_only_disk_disabling_says_that_sshd_may_still_ask_and_puts_nothing_back(machine: Machine) -> None:
    machine.enable()
    folder = Path(machine.site.sshd_drop_ins)
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    machine.told.clear()
    try:
        with pytest.raises(StillAsks, match=r"60-eic-sshd.conf can't be removed: Read-only file system"):
            disable(machine.target)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert machine.told == []


@pytest.mark.parametrize("chain", [False, True])
def test_folders_that_were_made_go_and_those_that_were_there_stay(machine: Machine, chain: bool) -> None:
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


def test_where_the_folders_that_were_made_cannot_be_noted_it_is_said_and_the_rest_is_done(machine: Machine) -> None:
    os.rmdir(machine.site.sshd_drop_ins)
    machine.write("var", "no folder")
    assert f"leaves empty folders: {machine.site.sshd_drop_ins}" in machine.enable()[-1]
    assert Path(machine.site.drop_in).exists()


@pytest.fixture
def signals() -> Iterator[None]:
    """Puts the handlers of this process back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_nobody_listening_does_not_stop_it_half_way(
    signals: None, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    said = []

    def change(target: Target) -> None:
        target.say("\udcff \u00f6")  # what a file may have in it
        target.say("x")
        said.append("x")

    with open("/dev/full", "w", encoding=encoding) as full:
        for stream in (full, None):  # None: it was closed when Python started
            monkeypatch.setattr("sys.stdout", stream)
            assert administering(argparse.Namespace(dry_run=True), change) == 0
    assert said == ["x", "x"]


def test_a_reader_who_does_not_read_does_not_stop_it_half_way(signals: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eic_sshd.cli._streams._READER_PATIENCE", 0.1)
    said = []

    def change(target: Target) -> None:
        for number in range(3):
            target.say("x" * 4000)
            said.append(number)

    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(read), os.fdopen(write, "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert administering(argparse.Namespace(dry_run=True), change) == 0
    assert said == [0, 1, 2]


@pytest.mark.parametrize(("problem", "status"), [(Refused, 1), (Unfinished, 1), (StillAsks, 3)])
def test_packages_can_tell_by_the_status_whether_an_sshd_may_still_ask(
    signals: None, problem: Type[Exception], status: int
) -> None:
    def change(target: Target) -> None:
        raise problem("x")

    assert administering(argparse.Namespace(dry_run=True), change) == status


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_puts_back_what_was_begun(machine: Machine, signals: None, number: signal.Signals) -> None:
    before = machine.files()

    def change(target: Target) -> None:
        with machine.target.all_or_nothing() as changes:
            changes.write(machine.site.drop_in, "x")
            os.kill(os.getpid(), number)
            changes.write(machine.site.drop_in, "never")

    assert administering(argparse.Namespace(dry_run=False), change) == 1
    assert machine.files() == before


@pytest.mark.parametrize("before", [None, "before\n"])
def test_a_file_that_was_changed_twice_is_put_back_as_it_was_at_first(tmp_path: Path, before: Optional[str]) -> None:
    path = tmp_path / "folder/file"
    if before is not None:
        path.parent.mkdir()
        path.write_text(before)
    changes = Changes(lambda sentence: None, dry_run=False)
    changes.write(str(path), "once\n")
    changes.write(str(path), "twice\n")
    changes.remove(str(path), and_folder=True)
    changes.put_back()
    assert (path.read_text() if path.exists() else None) == before
    assert path.parent.exists() == (before is not None)


def test_a_disk_that_is_full_leaves_no_folder_behind(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)], check=True)
    try:
        (disk / "filling").write_bytes(b"x" * 4096)
        changes = Changes(lambda sentence: None, dry_run=False)
        with pytest.raises(Refused, match="No space left on device"):
            changes.write(str(disk / "folder/file"), "x" * 4096)
        changes.put_back()
        assert os.listdir(disk) == ["filling"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_that_others_may_not_read_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("theirs\n")
    path.chmod(0o600)
    changes = Changes(lambda sentence: None, dry_run=False)
    changes.write(str(path), "ours\n")
    assert path.stat().st_mode & 0o777 == 0o600
    changes.put_back()
    assert path.stat().st_mode & 0o777 == 0o600
