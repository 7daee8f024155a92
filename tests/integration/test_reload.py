# SPDX-License-Identifier: Apache-2.0
"""A real sshd, outside of systemd, that is reloaded, or must not be."""

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
from eic_sshd.setup import SshdNotListening, SshdStillConfigured
from eic_sshd.setup.disable import disable
from eic_sshd.setup.services import Services
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
    """The sshd that uses the configuration of `machine`."""
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


def reloads_of(running: Running) -> int:
    return Path(running.log).read_text().count("Received SIGHUP")


@pytest.fixture(params=[0, 6])
def busy(request: pytest.FixtureRequest) -> Iterator[None]:
    """With that many processes that want all of a processor."""
    with contextlib.ExitStack() as stack:
        for _ in range(request.param):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield


def test_after_a_reload_the_next_client_can_connect(busy: None, machine: Machine, running: Running, sshd: Sshd) -> None:
    reports: List[str] = []
    with contextlib.ExitStack() as clients:
        for _ in range(20):
            # A client that is not logged in yet, for which sshd has sockets open.
            clients.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
            services = Services(reports.append, False, machine.site.processes, str(machine.folder))
            services.reload_sshd([sshd])
            services.require_sshd_listening()
            require_listening(running)
    assert set(reports) == {f"sent SIGHUP to sshd (PID {running.pid}), which has no systemd unit to reload"}


def test_an_sshd_that_is_restarting_at_that_moment_reads_the_change(
    busy: None, machine: Machine, running: Running, sshd: Sshd
) -> None:
    """It may have read its configuration just before, and not handle signals yet."""
    config = Path(sshd.config)
    for moment in range(20):
        os.kill(running.pid, signal.SIGHUP)
        time.sleep(moment * 0.002)
        port = free_port()
        config.write_text(re.sub(r"(?m)^Port \d+$", f"Port {port}", config.read_text()))
        services = Services(lambda report: None, False, machine.site.processes, str(machine.folder))
        services.reload_sshd([sshd])
        services.require_sshd_listening()
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_an_sshd_that_does_not_listen_after_the_reload_is_reported(
    busy: None, machine: Machine, running: Running, sshd: Sshd
) -> None:
    os.unlink(os.path.join(running.folder, "host_key"))
    processes = Processes(str(machine.folder / "proc"), start_timeout=0.5)
    services = Services(lambda report: None, False, processes, str(machine.folder), listen_timeout=0.5)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5):
        services.reload_sshd([sshd])
    with pytest.raises(SshdNotListening, match=rf"sshd \(PID {running.pid}\): it was reloaded but is not listening"):
        services.require_sshd_listening()


def test_a_dry_run_reloads_nothing(machine: Machine, running: Running) -> None:
    machine.dry_run = True
    assert f"would send SIGHUP to sshd (PID {running.pid})" in machine.enable()
    machine.dry_run = False
    machine.enable()
    assert reloads_of(running) == 1


def test_an_sshd_that_could_not_start_again_is_not_reloaded(machine: Machine, running: Running) -> None:
    """sshd runs without its host keys until it is reloaded; they are removed from an image before it is published."""
    os.unlink(os.path.join(running.folder, "host_key"))
    assert "no hostkeys available" in machine.refusal()
    assert reloads_of(running) == 0
    require_listening(running)


@pytest.mark.parametrize("fault", ["no host key", "NoSuchKeyword yes"])
def test_disable_refuses_while_the_running_sshd_cannot_be_reloaded(
    machine: Machine, running: Running, fault: str
) -> None:
    append(running, OTHER)
    machine.enable(chain=True)
    if fault == "no host key":
        os.unlink(os.path.join(running.folder, "host_key"))
    else:
        append(running, f"{fault}\n")
    assert "Correct it, then run `eic-sshd disable`" in machine.refusal(do=disable)
    assert reloads_of(running) == 1
    require_listening(running)


def test_disable_succeeds_with_an_invalid_configuration_that_does_not_name_eic_sshd(
    machine: Machine, running: Running
) -> None:
    append(running, "NoSuchKeyword yes\n")
    assert "sshd's configuration does not name eic-sshd" in machine.disable()
    assert reloads_of(running) == 0
    require_listening(running)


def test_disable_reloads_sshd_only_after_enable(machine: Machine, running: Running) -> None:
    assert "sshd's configuration does not name eic-sshd" in machine.disable()
    append(running, OTHER)
    machine.refusal()
    machine.disable()
    machine.enable(replace=True)
    machine.disable()
    for _ in range(2):
        machine.disable()
    assert reloads_of(running) == 2
    assert not Path(machine.site.reloaded_note).parent.exists()


def test_disable_reloads_sshd_after_one_that_was_interrupted_before_its_reload(
    machine: Machine, running: Running
) -> None:
    machine.enable()
    os.unlink(machine.site.drop_in)
    append(running, "NoSuchKeyword yes\n")
    assert "would go on running eic-sshd" in machine.refusal(do=disable)
    config = Path(running.folder) / "sshd_config"
    config.write_text(config.read_text().replace("NoSuchKeyword yes\n", ""))
    machine.disable()
    assert reloads_of(running) == 2


@pytest.mark.parametrize("match", ["LocalPort 22", "RDomain mgmt", "LocalAddress 10.0.0.1", "Group root", "User *,!x"])
def test_enable_and_disable_reload_sshd_with_every_kind_of_match_block(
    machine: Machine, running: Running, match: str
) -> None:
    append(running, f"ListenAddress 127.0.0.1:{running.port}\nMatch {match}\n    PasswordAuthentication no\n")
    machine.enable()
    assert machine.effective[0] == PLAIN.command
    machine.disable()
    assert machine.effective[0] == "none"
    assert reloads_of(running) == 2
    require_listening(running)


def test_an_sshd_with_another_configuration_is_not_reloaded(machine: Machine, running: Running, tmp_path: Path) -> None:
    with Running(str(tmp_path / "other"), None) as other:
        machine.runs(other)
        os.unlink(os.path.join(other.folder, "host_key"))  # it would not start again
        for do in (machine.enable, machine.disable):
            assert f"sshd (PID {other.pid}) has another configuration, and is not reloaded" in do()
        assert (reloads_of(running), reloads_of(other)) == (2, 0)
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
        message = str(refused.value)
        assert message.startswith(f"{second.folder}/sshd_config: a second sshd uses this file")
        assert machine.site.sshd_drop_ins in message
        assert "Include the files that it needs by name" in message
        assert (reloads_of(running), reloads_of(second)) == (0, 0)
    assert not Path(machine.site.early_drop_in).exists()
    machine.enable(chain=True)


def test_disable_reloads_a_second_sshd_that_includes_the_same_drop_ins(
    machine: Machine, running: Running, tmp_path: Path
) -> None:
    machine.enable()
    with another(machine, tmp_path) as second:
        machine.disable()
        assert (reloads_of(running), reloads_of(second)) == (2, 1)
        require_listening(second)


@pytest.mark.parametrize("fault", ["NoSuchKeyword yes\n", "AuthorizedKeysCommand /usr/bin/true\n"])
def test_disable_refuses_while_a_second_sshd_could_not_read_its_configuration_without_ours(
    machine: Machine, running: Running, tmp_path: Path, fault: str
) -> None:
    """The second fault is a command without a user other than ours."""
    machine.enable()
    with another(machine, tmp_path) as second:
        append(second, fault)
        with pytest.raises(SshdStillConfigured, match=f"{second.folder}/sshd_config"):
            machine.disable()
        assert Path(machine.site.drop_in).exists()
        assert (reloads_of(running), reloads_of(second)) == (1, 0)
        require_listening(second)


def test_an_sshd_whose_addresses_are_gone_is_not_reloaded(machine: Machine, running: Running) -> None:
    path = Path(machine.site.sshd.config)
    path.write_text(path.read_text().replace("ListenAddress 127.0.0.1", "ListenAddress 192.0.2.1"))
    assert "this machine no longer has any of its addresses (ListenAddress 192.0.2.1:" in machine.refusal()
    assert reloads_of(running) == 0
    path.write_text(f"ListenAddress 127.0.0.1\nListenAddress [2001:db8::1]:22\n{path.read_text()}")
    machine.enable()
    require_listening(running)
