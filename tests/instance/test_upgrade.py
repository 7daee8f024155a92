# SPDX-License-Identifier: Apache-2.0
"""From one build to the next, and through everything else that packages do, while people log in and stay."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Callable, Iterator, List, Optional

import pytest

from . import packages
from .client import USER, Background, Key, logins, session, sshd_tests
from .conftest import Instance, instance

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
    """Logins with a pushed key without end; each is pushed anew, so that none is too old."""
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


def service_pid(at: Instance) -> str:
    return at.machine.run("systemctl", "show", "-P", "MainPID", "eic-sshd.service").stdout.strip()


@pytest.mark.parametrize("service", ["warm", "masked"])
def test_an_upgrade_costs_not_one_login(old: Instance, service: str) -> None:
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
        resident = service_pid(old)
        old.install(packages.deb())
        wait_for_logins(pushing, 2)
        assert held.lives()
    assert [watch.wrong for watch in watches] == [[] for _ in watches]
    assert "previous" not in old.machine.run("eic-sshd", "--version").stdout
    if service == "masked":
        assert service_pid(old) == "0"
    else:
        assert service_pid(old) not in ("0", resident)


def wait_for_logins(watch: Background, count: int) -> None:
    """Wait until `count` more logins were tried, but not for ever."""
    watch.wait_for(watch.done + count)


def test_an_upgrade_leaves_alone_what_the_administrator_switched_off(old: Instance) -> None:
    old.machine.run("eic-sshd", "disable")
    old.install(packages.deb())
    assert not old.machine.exists("/etc/ssh/sshd_config.d/60-eic-sshd.conf")
    old.sshd_test()


def test_no_step_from_installation_to_purge_ends_a_session_or_refuses_a_login(bare: Instance, previous: Path) -> None:
    on_disk = on_disk_key(bare)
    watches = [logins(bare.client, on_disk), sshd_tests(bare.machine)]
    package = bare.machine.copy_in(packages.deb())
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(session(bare.client, on_disk))
        for watch in watches:
            stack.enter_context(watch)
        steps: List[Callable[[], object]] = [
            lambda: bare.install(previous),
            lambda: bare.apt("install", package),
            lambda: bare.machine.run("eic-sshd", "disable"),
            lambda: bare.machine.run("eic-sshd", "enable"),
            lambda: bare.apt("remove", "eic-sshd"),
            lambda: bare.apt("install", package),
            lambda: bare.apt("purge", "eic-sshd"),
        ]
        for step in steps:
            step()
            bare.sshd_test()
            wait_for_logins(watches[0], 1)
            assert held.lives()
    assert [watch.wrong for watch in watches] == [[] for _ in watches]
