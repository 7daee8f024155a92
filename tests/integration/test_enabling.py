# SPDX-License-Identifier: Apache-2.0
"""`enable` and `disable` on sites of every kind, with the real sshd as the judge of its configuration."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import List, Sequence

import pytest

from eic_sshd.setup import Unfinished
from eic_sshd.setup.disable import disable
from eic_sshd.setup.enable import enable
from eic_sshd.setup.services import Units
from eic_sshd.sshd.drop_in import PLAIN
from eic_sshd.sshd.program import Sshd
from testbed import private_host
from tools.documents import ROOT

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def test_the_packaged_example_is_what_enable_writes() -> None:
    assert (Path(ROOT) / "etc/60-eic-sshd.conf").read_text() == PLAIN.text()


def test_enabling_has_sshd_ask_and_disabling_gives_back_what_was_there(machine: Machine) -> None:
    before = machine.files()
    said = machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert set(machine.files()) - set(before) == {"sshd_config.d/60-eic-sshd.conf"}
    assert said[0] == f"wrote {machine.site.drop_in}"
    machine.disable()
    assert machine.files() == before
    assert machine.effective == ("none", "none")


def test_both_may_be_done_again(machine: Machine) -> None:
    machine.enable()
    enabled = machine.files()
    assert machine.enable()[0] == "sshd asks eic-sshd already"
    assert machine.files() == enabled
    machine.disable()
    assert machine.disable()[0] == "sshd's configuration does not name eic-sshd"


@pytest.mark.parametrize("chain", [False, True])
def test_a_dry_run_says_and_does_nothing(machine: Machine, chain: bool) -> None:
    machine.sshd_config(INCLUDE + (OTHER if chain else ""))
    machine.dry_run = True
    before = machine.files()
    assert f"would write {machine.site.drop_in}" in machine.enable(chain)
    assert machine.files() == before
    machine.dry_run = False
    machine.enable(chain)
    enabled = machine.files()
    machine.dry_run = True
    assert f"would remove {machine.site.drop_in}" in machine.disable()
    assert machine.files() == enabled


def test_a_broken_configuration_is_left_as_it_is(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + "NoSuchKeyword yes\n")
    said = machine.refusal()
    assert "left as it is" in said
    assert "NoSuchKeyword" in said


def test_disabling_goes_on_where_sshd_neither_runs_nor_takes_its_configuration(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    machine.sshd_config(INCLUDE + OTHER + "NoSuchKeyword yes\n")
    said = machine.disable()
    assert any("invalid, as it was before" in sentence and "NoSuchKeyword" in sentence for sentence in said)
    for path in (machine.site.drop_in, machine.site.chain_config, machine.site.socket_drop_in):
        assert not Path(path).exists()


def test_a_dry_run_refuses_what_would_be_refused(machine: Machine) -> None:
    machine.dry_run = True
    machine.sshd_config(OTHER + INCLUDE)
    assert "sshd_config:1 comes before it" in machine.refusal(chain=True)


def test_a_user_that_is_named_earlier_is_gone_before(machine: Machine) -> None:
    machine.write("sshd_config.d/10-site.conf", "AuthorizedKeysCommandUser nobody\n")
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert Path(machine.site.early_drop_in).exists()


@pytest.mark.parametrize("tampered", ["%f", "%u %f %U", "--socket none %u %f"])
def test_a_line_of_ours_that_was_changed_is_written_anew(machine: Machine, tampered: str) -> None:
    machine.enable()
    enabled = machine.files()
    drop_in = Path(machine.site.drop_in)
    drop_in.write_text(drop_in.read_text().replace("%u %f", tampered))
    machine.enable()
    assert machine.files() == enabled


def test_a_line_that_names_us_elsewhere_stops_disabling(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n{PLAIN.text()}")
    assert f"{machine.folder}/sshd_config:6 has sshd ask eic-sshd too" in machine.refusal(do=disable)


def test_without_sshds_folder_it_can_still_be_tested_and_finds_it_when_it_starts(machine: Machine) -> None:
    os.rmdir("/run/sshd")
    assert machine.site.sshd.problem() is None
    assert os.path.isdir("/run/sshd")


def test_without_host_keys_it_can_still_be_tested(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}HostKey {machine.folder}/none_such\n")
    assert machine.site.sshd_problem() is None
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")


def test_what_is_not_installed_or_cannot_be_run_is_not_asked_for(machine: Machine) -> None:
    folder = machine.folder / "lib"
    folder.mkdir()
    command = folder / "authorized-keys"

    def refusal() -> str:
        site = machine.site._replace(front_door=str(command))
        return machine.refusal(do=lambda target: enable(target._replace(site=site)))

    assert f"there is no {command}: install the package" in refusal()
    command.write_text("#!/bin/sh\n")
    assert f"{command} may not be run" in refusal()
    command.chmod(0o755)
    for mode, who in ((0o777, "others"), (0o775, "its group")):
        folder.chmod(mode)
        # Debian's sshd takes the second.
        problem = f"{folder}: folder writable by {who} (mode {mode:04o}). Run: chmod go-w {folder}"
        assert refusal() == f"{command} is not safe to run, whether or not this sshd accepts it: {problem}"
    folder.chmod(0o700)
    assert f"{command} may not be run" in refusal()


def test_whoever_has_to_know_is_told_and_an_sshd_that_is_not_back_is_said(machine: Machine) -> None:
    asked: List[str] = []

    class Noting(Units):
        def reload_sshd(self, sshds: Sequence[Sshd]) -> None:
            self.told_sshd = True
            asked.append("reload sshd")

        def reload_service(self) -> None:
            asked.append("reload service")

        def require_sshd_back(self) -> None:
            raise Unfinished("sshd is not back")

    machine.units = Noting
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/conf.d/10-fast.conf", "[imds]\ndeadline = 0.1\n")
    with pytest.raises(Unfinished, match="not back"):
        machine.enable(chain=True)
    assert asked == ["reload service", "reload sshd"]
    begun = time.monotonic()
    with pytest.raises(Unfinished, match="not back"):
        machine.disable()
    assert asked[2:] == ["reload sshd"]
    assert "waiting for logins that are under way" in machine.told
    assert time.monotonic() - begun > 1.0


def test_without_keys_on_disk_disabling_says_what_it_comes_to(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + "AuthorizedKeysFile none\n")
    machine.enable()
    assert "no key at all logs in" in machine.disable()[0]


def test_what_sshd_would_not_take_without_us_stays(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + "AuthorizedKeysCommand /usr/bin/true\n")  # and nobody to run it as, but ours
    assert "sshd does not take its configuration without eic-sshd: " in machine.refusal(do=disable)
