# SPDX-License-Identifier: Apache-2.0
"""Machines with the packages on them. A test that fails shows the journals of the machines that it had."""

from __future__ import annotations

from pathlib import Path
from typing import Generator, Iterator, List, Optional

import pytest

from testbed.machines import images

from . import packages
from .__main__ import is_inside, main
from .instances import Instance, instance, machines


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for one in [one for one in machines if one.pid]:
            report.sections.append((f"the end of {one.name}'s journal", one.journal()))
    return report


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
