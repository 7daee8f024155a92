# SPDX-License-Identifier: Apache-2.0
"""What unit and integration tests share: one PKI for all of them (its keys are slow to make), keys, an instance."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Iterator

import pytest
from hypothesis import HealthCheck, settings

from eic_sandbox.cloud.instance import Instance
from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.pki.authority import Pki
from eic_sshd.host import trusted_files
from testbed import keys, private_host

if TYPE_CHECKING:  # it needs aiohttp, which the environments of tests/versions.sh lack
    from eic_sandbox.server import Sandbox

# The same examples in each run, and no time limit: a run fails only because of what was changed. `make fuzz` runs the
# same tests with the profile "random".
settings.register_profile("random", database=None, deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("fixed", settings.get_profile("random"), derandomize=True)
settings.load_profile("fixed")


def pytest_configure() -> None:
    """Puts tmp_path where no other user can write: files below /tmp are refused as untrusted."""
    for folder in (private_host.HOME, os.path.expanduser("~"), os.environ.get("XDG_RUNTIME_DIR", ""), "/run"):
        try:
            trusted_files.names(folder, owners=(os.geteuid(),))
        except (OSError, trusted_files.UntrustedFile):
            continue
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)
        return


@pytest.fixture(scope="session")
def pki() -> Pki:
    facts = InstanceMetadata()
    return Pki(facts.region, facts.domain)


@pytest.fixture
def instance(pki: Pki) -> Instance:
    return Instance(InstanceMetadata(), pki)


@pytest.fixture(scope="session")
def ed25519() -> str:
    return keys.ed25519_line()


@pytest.fixture(scope="session")
def _running_sandbox(pki: Pki) -> Iterator[Sandbox]:
    from eic_sandbox.server import Sandbox, running
    from eic_sandbox.world.single import single

    with running(Sandbox(single(Instance(InstanceMetadata(), pki)))) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A running sandbox without faults or keys, and with no request recorded."""
    _running_sandbox.instance.faults.clear()
    _running_sandbox.instance.forget_keys()
    _running_sandbox.imds.requests.clear()
    yield _running_sandbox
    _running_sandbox.instance.faults.clear()


def pytest_report_header() -> str:
    import cryptography
    import requests

    version = ".".join(map(str, sys.version_info[:3]))
    return f"Python {version}, cryptography {cryptography.__version__}, requests {requests.__version__}"
