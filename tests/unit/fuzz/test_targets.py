# SPDX-License-Identifier: Apache-2.0
"""Some of `make fuzz`, every time: whatever others wrote, its parser raises its own errors and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from eic_sandbox.pki.authority import Pki
from tests.fuzz.targets import targets

NAMES = [
    "active-keys",
    "public keys",
    "requests over the socket",
    "the client's arguments",
    "configuration files",
    "facts of IMDS",
    "signer-cert",
    "certificates",
    "a chain with a changed certificate",
    "staples",
    "callers and patterns of them",
    "what eic-sshd log reads",
    "folders of explain --save",
    "world files",
    "signatures of blocks",
]
SLOW = {"a chain with a changed certificate": 8}


@pytest.mark.parametrize("name", NAMES)
def test_fuzzed_parser_raises_only_its_own_errors(pki: Pki, name: str) -> None:
    target = next(one for one in targets(pki) if one.name == name)

    @settings(max_examples=SLOW.get(name, 40), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def run(example: object) -> None:
        target.run(example)

    run()


def test_every_fuzzing_target_is_in_the_test(pki: Pki) -> None:
    assert [target.name for target in targets(pki)] == NAMES
