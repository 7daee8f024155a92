# SPDX-License-Identifier: Apache-2.0
"""What an administrator is told when a site has changed since it was enabled."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List

import pytest

from eic_sshd import config
from eic_sshd.enabling.standing import problems
from eic_sshd.enabling.units import Units
from eic_sshd.sandbox import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def standing(machine: Machine) -> List[str]:
    return list(problems(machine.site, config.load(machine.site.our_config)))


def test_all_is_well_after_enabling(machine: Machine) -> None:
    assert standing(machine) == ["sshd does not ask eic-sshd: `eic-sshd enable` says why, or has it ask"]
    machine.enable()
    assert standing(machine) == []
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    assert standing(machine) == []


def test_a_site_that_has_changed_since_is_told_what_does_not_fit_any_more(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + OTHER)
    assert "`eic-sshd enable --chain` has it run" in standing(machine)[0]
    machine.enable(chain=True)
    machine.sshd_config(INCLUDE + OTHER.replace("true", "false"))
    assert "and /usr/bin/true %u in its place: `eic-sshd enable` has it run" in standing(machine)[0]
    machine.sshd_config(INCLUDE)
    assert "which sshd's configuration has no more: `eic-sshd enable` ends that" in standing(machine)[0]
    machine.sshd_config(INCLUDE + OTHER)
    Path(machine.site.our_config).chmod(0o640)
    assert "sshd runs eic-sshd as nobody, for whom its configuration is invalid" in standing(machine)[0]
    machine.sshd_config("NoSuchKeyword yes\n")
    assert "NoSuchKeyword" in standing(machine)[0]
    machine.write("etc/default/ssh", "SSHD_OPTS=-oAuthorizedKeysCommand=/x\n")
    assert "sshd is started with -o AuthorizedKeysCommand at" in standing(machine)[0]


def test_a_user_who_may_not_run_us_and_units_that_do_not_work_are_told_of(machine: Machine) -> None:
    class Failed(Units):
        def problems(self, imds: str) -> Iterator[str]:
            yield f"nobody reaches {imds}"

    machine.enable()
    machine.units = Failed
    assert standing(machine) == ["nobody reaches 169.254.169.254"]
    machine.front_door = str(machine.folder / "front-door")
    Path(machine.front_door).write_text("")
    assert f"{machine.front_door} may not be run" in standing(machine)[0]
