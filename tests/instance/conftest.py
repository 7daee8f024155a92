# SPDX-License-Identifier: Apache-2.0
"""Machines with the packages on them. A test that fails shows the journals of the machines that it had."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Generator, Iterator, List, Optional

import pytest

from testbed.machines import images
from testbed.machines.aws import Aws
from testbed.machines.client import Client
from testbed.machines.machine import Failed, Machine, machine

from . import packages
from .__main__ import is_inside, main


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--release", action="append", type=images.suite, help="only on this Debian release, such as sid")


def pytest_cmdline_main(config: pytest.Config) -> Optional[int]:
    """`pytest tests/instance ...` is `python -m tests.instance ...`: machines need namespaces around all of it."""
    if is_inside() or not all(argument.startswith("tests/instance") for argument in config.args):
        return None
    return main(list(config.invocation_params.args))


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    if is_inside():
        return
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.skip(reason="machines are booted by `make test-instance`, as root"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "release" in metafunc.fixturenames:
        releases = metafunc.config.getoption("release", default=None) or list(images.RELEASES)
        metafunc.parametrize("release", releases, scope="session")


_machines: List[Machine] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for one in [one for one in _machines if one.pid]:
            report.sections.append((f"the end of {one.name}'s journal", one.journal()))
    return report


@contextlib.contextmanager
def known(*layers: Path, boot: bool = True) -> Iterator[Machine]:
    """A machine whose journal is shown when a test fails."""
    with machine(*layers, boot=boot) as made:
        _machines.append(made)
        try:
            yield made
        finally:
            _machines.remove(made)


@dataclass
class Instance:
    """A booted machine, its AWS side and a person to log in."""

    machine: Machine
    aws: Aws
    client: Client
    release: str

    def apt(self, verb: str, *arguments: str) -> str:
        """`apt-get -y VERB`; what it said. Raises Failed."""
        done = self.machine.run("apt-get", "-y", "-q", verb, *arguments, timeout=300)
        return done.stdout + done.stderr

    def install(self, package: Path) -> str:
        return self.apt("install", self.machine.copy_in(package))

    def install_selinux_policy(self) -> None:
        """Install the distribution's policy. Skips the test where that of an unreleased suite does not install."""
        try:
            self.apt("install", "--no-install-recommends", *images.SELINUX)
        except Failed as problem:
            if self.release in images.RELEASES:
                raise
            pytest.skip(f"{', '.join(images.SELINUX)} of {self.release} cannot be installed: {str(problem)[-200:]}")

    def sshd_test(self) -> None:
        """`sshd -t` has nothing to say."""
        done = self.machine.run("sshd", "-t")
        assert done.stdout + done.stderr == ""

    def service_pid(self) -> str:
        """The resident authorizer's process; "0" if there is none."""
        return self.machine.run("systemctl", "show", "-P", "MainPID", "eic-sshd.service").stdout.strip()

    def healthy(self) -> None:
        """Bring everything to where it is after an installation: service idle, sandbox in order, no pushed key."""
        self.machine.shell(
            "rm -rf /etc/systemd/system/eic-sshd.service.d; systemctl unmask -q eic-sshd.socket eic-sshd.service; "
            "systemctl daemon-reload; systemctl reset-failed 2>/dev/null || true; "
            "systemctl enable -q eic-sshd.socket; systemctl stop eic-sshd.service; systemctl restart eic-sshd.socket"
        )
        if self.aws.alive:
            self.aws.heal()


@contextlib.contextmanager
def instance(release: str, *layers: Path, boot: bool = True) -> Iterator[Instance]:
    """A machine on `layers` over the release's image, with a sandbox beside it if it is booted."""
    with known(*layers, images.image(release), boot=boot) as made:
        aws = Aws(made)
        try:
            if boot:
                aws.start()
            yield Instance(made, aws, Client(made), release)
        finally:
            aws.stop()


@pytest.fixture(scope="session")
def installed_layer(release: str) -> Iterator[Path]:
    """What `apt-get install ./eic-sshd_*.deb` on a booted machine adds to its disk, the machine shut down since."""
    with instance(release) as first:
        first.install(packages.deb())
        first.aws.trust()
        first.machine.shut_down()
        yield first.machine.upper


@pytest.fixture(scope="module")
def shared(release: str, installed_layer: Path) -> Iterator[Instance]:
    with instance(release, installed_layer) as made:
        yield made


@pytest.fixture
def installed(shared: Instance) -> Instance:
    """A machine with the package on it, one for the tests of a module, in order before each."""
    shared.healthy()
    return shared


@pytest.fixture
def bare(release: str) -> Iterator[Instance]:
    """A machine of its own without the package."""
    with instance(release) as made:
        yield made


@pytest.fixture
def own(release: str, installed_layer: Path) -> Iterator[Instance]:
    """A machine of its own with the package."""
    with instance(release, installed_layer) as made:
        yield made
