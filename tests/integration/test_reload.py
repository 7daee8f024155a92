# SPDX-License-Identifier: Apache-2.0
"""A real sshd, outside of systemd, that is told to read its configuration, or had better not be."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from eic_sshd.host.errors import MachineError
from eic_sshd.setup import StillAsks, Unfinished
from eic_sshd.setup.disable import disable
from eic_sshd.setup.services import Units
from eic_sshd.sshd.drop_in import PLAIN
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from testbed import private_host
from testbed.sshd import Sshd as Running
from testbed.sshd import free_port

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="an sshd of its own needs root")


@contextlib.contextmanager
def serving(machine: Machine, folder: Path) -> Iterator[Running]:
    """An sshd of `machine` whose configuration, in `folder`, includes the drop-ins."""
    include = INCLUDE.replace("{folder}", str(machine.folder))
    with Running(str(folder), None, [include]) as sshd:
        machine.runs(sshd)
        yield sshd


@pytest.fixture
def running(machine: Machine) -> Iterator[Running]:
    """The sshd that goes by the configuration of `machine`."""
    with serving(machine, machine.folder) as sshd:
        yield sshd


@pytest.fixture
def sshd(machine: Machine) -> Sshd:
    return machine.site.sshd


def require_listening(running: Running) -> None:
    socket.create_connection(("127.0.0.1", running.port), timeout=5).close()


def append(sshd: Running, text: str) -> None:
    """To its configuration."""
    with open(f"{sshd.folder}/sshd_config", "a", encoding="utf-8") as file:
        file.write(text)


def times_told(running: Running) -> int:
    return Path(running.log).read_text().count("Received SIGHUP")


@pytest.fixture(params=[0, 6])
def busy(request: pytest.FixtureRequest) -> Iterator[None]:
    """With that many processes that want all of a processor."""
    with contextlib.ExitStack() as stack:
        for _ in range(request.param):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield


def test_once_sshd_was_told_whoever_comes_next_finds_it(
    busy: None, machine: Machine, running: Running, sshd: Sshd
) -> None:
    told: List[str] = []
    with contextlib.ExitStack() as clients:
        for _ in range(20):
            # One that is not logged in yet, for whom sshd has something open.
            clients.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
            units = Units(told.append, False, machine.site.processes, str(machine.folder))
            units.reload_sshd([sshd])
            units.require_sshd_back()
            require_listening(running)
    assert set(told) == {f"sent SIGHUP to sshd, process {running.pid}, which systemd does not look after"}


def test_one_that_is_starting_again_at_that_moment_reads_what_was_written_all_the_same(
    busy: None, machine: Machine, running: Running, sshd: Sshd
) -> None:
    """It may have read its configuration just before, and take no notice of a signal yet."""
    config = Path(sshd.config)
    for moment in range(20):
        os.kill(running.pid, signal.SIGHUP)
        time.sleep(moment * 0.002)
        port = free_port()
        config.write_text(re.sub(r"(?m)^Port \d+$", f"Port {port}", config.read_text()))
        units = Units(lambda sentence: None, False, machine.site.processes, str(machine.folder))
        units.reload_sshd([sshd])
        units.require_sshd_back()
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_an_sshd_that_does_not_come_back_is_told_of(busy: None, machine: Machine, running: Running, sshd: Sshd) -> None:
    os.unlink(os.path.join(running.folder, "host_key"))
    processes = Processes(str(machine.folder / "proc"), patience=0.5)
    units = Units(lambda sentence: None, False, processes, str(machine.folder), patience=0.5)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5):
        units.reload_sshd([sshd])
    with pytest.raises(Unfinished, match=rf"sshd \(process {running.pid}\) was told, and does not wait"):
        units.require_sshd_back()


def test_a_dry_run_tells_nobody(machine: Machine, running: Running) -> None:
    machine.dry_run = True
    assert f"would send SIGHUP to sshd, process {running.pid}" in machine.enable()
    machine.dry_run = False
    machine.enable()
    assert times_told(running) == 1


def test_an_sshd_that_could_not_start_again_is_told_nothing(machine: Machine, running: Running) -> None:
    """sshd goes on without its host keys, until it reads its configuration; images are rid of them before they are
    published."""
    os.unlink(os.path.join(running.folder, "host_key"))
    assert "no hostkeys available" in machine.refusal()
    assert times_told(running) == 0
    require_listening(running)


@pytest.mark.parametrize("fault", ["no host key", "NoSuchKeyword yes"])
def test_while_an_sshd_cannot_be_told_to_ask_no_more_all_stays_as_it_is(
    machine: Machine, running: Running, fault: str
) -> None:
    append(running, OTHER)
    machine.enable(chain=True)
    if fault == "no host key":
        os.unlink(os.path.join(running.folder, "host_key"))
    else:
        append(running, f"{fault}\n")
    assert "correct it, then run `eic-sshd disable`" in machine.refusal(do=disable)
    assert times_told(running) == 1
    require_listening(running)


def test_where_nothing_names_us_an_invalid_configuration_does_not_keep_us(machine: Machine, running: Running) -> None:
    append(running, "NoSuchKeyword yes\n")
    assert "sshd's configuration does not name eic-sshd" in machine.disable()
    assert times_told(running) == 0
    require_listening(running)


def test_where_it_was_never_enabled_disabling_tells_no_sshd(machine: Machine, running: Running) -> None:
    assert "sshd's configuration does not name eic-sshd" in machine.disable()
    append(running, OTHER)
    machine.refusal()
    machine.disable()
    machine.enable(replace=True)
    machine.disable()
    for _ in range(2):
        machine.disable()
    assert times_told(running) == 2
    assert not Path(machine.site.told_note).parent.exists()


def test_a_disable_that_was_broken_off_before_it_told_sshd_is_made_up_for(machine: Machine, running: Running) -> None:
    machine.enable()
    os.unlink(machine.site.drop_in)
    append(running, "NoSuchKeyword yes\n")
    assert "would go on asking" in machine.refusal(do=disable)
    config = Path(running.folder) / "sshd_config"
    config.write_text(config.read_text().replace("NoSuchKeyword yes\n", ""))
    machine.disable()
    assert times_told(running) == 2


@pytest.mark.parametrize("match", ["LocalPort 22", "RDomain mgmt", "LocalAddress 10.0.0.1", "Group root", "User *,!x"])
def test_a_match_block_of_any_kind_stops_nothing_while_sshd_runs(
    machine: Machine, running: Running, match: str
) -> None:
    append(running, f"ListenAddress 127.0.0.1:{running.port}\nMatch {match}\n    PasswordAuthentication no\n")
    machine.enable()
    assert machine.effective[0] == PLAIN.command
    machine.disable()
    assert machine.effective[0] == "none"
    assert times_told(running) == 2
    require_listening(running)


def test_an_sshd_with_a_configuration_of_its_own_is_left_alone(
    machine: Machine, running: Running, tmp_path: Path
) -> None:
    with Running(str(tmp_path / "other"), None) as other:
        machine.runs(other)
        os.unlink(os.path.join(other.folder, "host_key"))  # it would not come back
        for do in (machine.enable, machine.disable):
            assert f"process {other.pid} is an sshd with a configuration of its own, and is left alone" in do()
        assert (times_told(running), times_told(other)) == (2, 0)
        require_listening(other)


@contextlib.contextmanager
def another(machine: Machine, folder: Path) -> Iterator[Running]:
    """An sshd with a configuration of its own, which includes the same drop-ins."""
    with serving(machine, folder / "another") as sshd:
        yield sshd


@pytest.mark.parametrize("flags", [{}, {"chain": True}, {"replace": True}])
def test_a_second_sshd_that_includes_the_same_drop_ins_is_refused_with_the_remedy(
    machine: Machine, running: Running, tmp_path: Path, flags: Dict[str, bool]
) -> None:
    machine.write("sshd_config.d/50-site.conf", OTHER)
    with another(machine, tmp_path) as second:
        with pytest.raises(MachineError) as refused:
            machine.enable(**flags)
        said = str(refused.value)
        assert said.startswith(f"{second.folder}/sshd_config: ")
        assert machine.site.sshd_drop_ins in said
        assert "name" in said
        assert "run `eic-sshd enable" in said
        assert (times_told(running), times_told(second)) == (0, 0)
    assert not Path(machine.site.early_drop_in).exists()
    machine.enable(chain=True)


def test_a_second_sshd_that_was_started_after_enabling_is_told_by_disable(
    machine: Machine, running: Running, tmp_path: Path
) -> None:
    machine.enable()
    with another(machine, tmp_path) as second:
        machine.disable()
        assert (times_told(running), times_told(second)) == (2, 1)
        require_listening(second)


@pytest.mark.parametrize("fault", ["NoSuchKeyword yes\n", "AuthorizedKeysCommand /usr/bin/true\n"])
def test_disable_refuses_while_a_second_sshd_could_not_read_its_configuration_without_ours(
    machine: Machine, running: Running, tmp_path: Path, fault: str
) -> None:
    """The second fault is a command with nobody to run it as, but our user."""
    machine.enable()
    with another(machine, tmp_path) as second:
        append(second, fault)
        with pytest.raises(StillAsks, match=f"{second.folder}/sshd_config"):
            machine.disable()
        assert Path(machine.site.drop_in).exists()
        assert (times_told(running), times_told(second)) == (1, 0)
        require_listening(second)


def test_an_sshd_whose_addresses_are_gone_is_told_nothing(machine: Machine, running: Running) -> None:
    path = Path(machine.site.sshd.config)
    path.write_text(path.read_text().replace("ListenAddress 127.0.0.1", "ListenAddress 192.0.2.1"))
    assert "has none of its addresses any more (ListenAddress 192.0.2.1:" in machine.refusal()
    assert times_told(running) == 0
    path.write_text(f"ListenAddress 127.0.0.1\nListenAddress [2001:db8::1]:22\n{path.read_text()}")
    machine.enable()
    require_listening(running)
