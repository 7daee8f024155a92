# SPDX-License-Identifier: Apache-2.0
"""From one build to the next, and through everything else that packages do, while people log in and stay."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Callable, ContextManager, Iterator, List, Optional, Tuple

import pytest

from testbed.machines.client import USER, Key, session
from testbed.machines.monitors import Background, ReloadWindow, logins, sshd_tests

from . import packages
from .instances import Instance, instance

SOCKET = "run/eic-sshd/authorize.sock"


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of an older build."""
    return packages.previous_deb(tmp_path_factory.mktemp("previous"))


@pytest.fixture
def old(release: str, previous: Path) -> Iterator[Instance]:
    """A machine of its own with the older build on it."""
    with instance(release) as made:
        made.install(previous)
        made.aws.trust()
        yield made


def pushed_logins(at: Instance) -> Background:
    """Endless logins. A key is pushed before each, so that none has expired."""
    key = at.client.key()

    def step() -> Optional[str]:
        at.aws.push(USER, key.line)
        login = at.client.login(key)
        return None if login.output == USER else f"a login with a pushed key failed: {login.errors}"

    return Background(step)


def socket_stands(at: Instance) -> Background:
    """Looks without end whether the authorizer's socket is the one that stood there first."""
    path = f"/proc/{at.machine.pid}/root/{SOCKET}"
    first = os.stat(path).st_ino

    def step() -> Optional[str]:
        return None if os.stat(path).st_ino == first else "the socket is another one"

    return Background(step)


def on_disk_key(at: Instance) -> Key:
    key = at.client.key()
    at.client.put_on_disk(key)
    return key


@pytest.mark.parametrize("service", ["warm", "masked"])
def test_every_login_during_an_upgrade_succeeds(old: Instance, service: str) -> None:
    on_disk = on_disk_key(old)
    pushing = pushed_logins(old)
    assert "previous" in old.machine.run("eic-sshd", "--version").stdout
    watches = [pushing, logins(old.client, on_disk), sshd_tests(old.machine)]
    if service == "masked":
        old.machine.run("systemctl", "mask", "-q", "--now", "eic-sshd.socket", "eic-sshd.service")
    else:
        watches.append(socket_stands(old))
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(session(old.client, on_disk))
        for watch in watches:
            stack.enter_context(watch)
        wait_for_logins(pushing, 2)
        resident = old.service_pid()
        old.install(packages.deb())
        wait_for_logins(pushing, 2)
        assert held.lives()
    for watch in watches:
        watch.require_no_problem()
    assert "previous" not in old.machine.run("eic-sshd", "--version").stdout
    if service == "masked":
        assert old.service_pid() == "0"
    else:
        assert old.service_pid() not in ("0", resident)


def wait_for_logins(watch: Background, count: int) -> None:
    """Wait until `count` more logins were tried, up to a time limit."""
    watch.wait_for(watch.done + count)


def test_every_login_during_an_interrupted_upgrade_succeeds(old: Instance) -> None:
    on_disk, pushed = on_disk_key(old), old.client.key()
    old.machine.run("dpkg", "--unpack", old.machine.copy_in(packages.deb()))
    for mend in ("true", "dpkg --configure --pending", "dpkg --remove eic-sshd"):
        old.machine.shell(mend)
        old.sshd_test()
        assert old.client.login(on_disk).output == USER
        old.aws.push(USER, pushed.line)
        assert old.client.login(pushed).ok == ("remove" not in mend)


def test_unpacked_package_can_be_removed(bare: Instance) -> None:
    on_disk = on_disk_key(bare)
    package = bare.machine.copy_in(packages.deb())
    bare.apt("install", package)
    bare.apt("remove", "eic-sshd")
    for unpacked in ("dpkg --unpack", "dpkg --install --force-depends"):
        bare.machine.shell(f"{unpacked} {package}")
        bare.sshd_test()
        bare.machine.run("dpkg", "--remove", "eic-sshd")
        bare.sshd_test()
        assert bare.client.login(on_disk).output == USER


def test_removal_after_an_interrupted_upgrade_removes_only_our_lines(own: Instance) -> None:
    """dpkg then calls no prerm, so it is not disabled before."""
    drop_in = "/etc/ssh/sshd_config.d/60-eic-sshd.conf"
    on_disk = on_disk_key(own)
    own.machine.run("dpkg", "--unpack", own.machine.copy_in(packages.deb()))
    theirs = "# theirs: \\t \\c\nBanner /no/such\\tfile\n"
    own.machine.write(drop_in, own.machine.read(drop_in) + theirs)
    assert "taken out" in own.machine.run("dpkg", "--remove", "eic-sshd").stderr
    assert own.machine.read(drop_in) == theirs
    own.sshd_test()
    assert own.client.login(on_disk).output == USER


@pytest.mark.parametrize("library", ["python3-cryptography", "openssl"])
def test_key_on_disk_logs_in_without_a_library(own: Instance, library: str) -> None:
    on_disk, pushed = on_disk_key(own), own.client.key()
    own.aws.push(USER, pushed.line)
    own.machine.run("dpkg", "--remove", "--force-depends", library)
    before = own.machine.cursor()
    assert own.client.login(pushed, on_disk).output == USER
    assert own.client.login(on_disk).output == USER
    decisions = [record["EIC_DECISION"] for record in own.machine.records(before) if "EIC_DECISION" in record]
    assert decisions == ["error"]
    assert [entry["MESSAGE"] for entry in own.machine.sshd_entries(before) if "rror" in entry["MESSAGE"]] == []


def test_upgrade_keeps_what_the_administrator_disabled(old: Instance) -> None:
    old.machine.run("eic-sshd", "disable")
    old.install(packages.deb())
    assert not old.machine.exists("/etc/ssh/sshd_config.d/60-eic-sshd.conf")
    old.sshd_test()


def test_sessions_and_logins_survive_every_step_from_installation_to_purge(bare: Instance, previous: Path) -> None:
    on_disk = on_disk_key(bare)
    package = bare.machine.copy_in(packages.deb())
    port = ReloadWindow()
    steps: List[Tuple[ContextManager[None], Callable[[], object]]] = [
        (port.reload(), lambda: bare.install(previous)),
        (contextlib.nullcontext(), lambda: bare.apt("install", package)),
        (port.reload(), lambda: bare.machine.run("eic-sshd", "disable")),
        (port.reload(), lambda: bare.machine.run("eic-sshd", "enable")),
        (port.reload(), lambda: bare.apt("remove", "eic-sshd")),
        (port.reload(), lambda: bare.apt("install", package)),
        (port.reload(), lambda: bare.apt("purge", "eic-sshd")),
    ]
    watches = [logins(bare.client, on_disk, window=port), sshd_tests(bare.machine)]
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(session(bare.client, on_disk))
        for watch in watches:
            stack.enter_context(watch)
        for told, step in steps:
            with told:
                step()
                wait_for_logins(watches[0], 2)  # one of them has begun since
            bare.sshd_test()
            assert held.lives()
    for watch in watches:
        watch.require_no_problem()
