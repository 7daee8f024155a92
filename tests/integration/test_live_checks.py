# SPDX-License-Identifier: Apache-2.0
"""The checks of IMDS, the clock and the signer, against a sandbox with faults."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

import pytest

from eic_sandbox.server import Sandbox
from eic_sshd.config.schema import Config, build
from eic_sshd.diagnose.live_checks import LiveChecks
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site


@pytest.fixture
def live(sandbox: Sandbox, tmp_path: Path) -> LiveChecks:
    root = tmp_path / "root.pem"
    root.write_bytes(sandbox.instance.pki.root.pem)
    settings: Dict[str, Dict[str, object]] = {
        "imds": {"endpoint": sandbox.endpoints["imds"]},
        "instance": {"require_ec2_hardware": False},
        "trust": {"ca_file": str(root)},
    }
    config: Config = build(settings)
    # "root" is also who runs the tests: no other user's rights are taken.
    return LiveChecks(Site(Sshd(), Processes(), root=str(tmp_path)), lambda: config, lambda: "root")


def codes(found: object) -> List[str]:
    return [one.code for one in found]  # type: ignore[attr-defined]


def test_a_sandbox_in_order_is_usable(live: LiveChecks) -> None:
    assert codes(live.imds()) == ["imds-unusual-server", "imds-answers"]
    assert codes(live.trust()) == ["signer-verified"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("forbidden", "imds-disabled"),
        ("hang", "imds-hop-limit"),
        ("error-500", "imds-error"),
        ("drop", "imds-error"),
        ("garbage", "imds-error"),
        ("huge-body", "imds-error"),
        ("slow", "imds-error"),
    ],
)
def test_fault_of_imds_is_named(live: LiveChecks, sandbox: Sandbox, fault: str, code: str) -> None:
    sandbox.instance.faults.set(fault)
    assert code in codes(live.imds())


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("stale-staples", "staple-invalid"),
        ("missing-staples", "staple-missing"),
        ("revoked", "signer-revoked"),
        ("other-root", "signer-untrusted"),
        ("wrong-signer-name", "signer-name-mismatch"),
        ("unknown-domain", "domain-unknown"),
        ("forbidden", "imds-disabled"),
    ],
)
def test_fault_of_the_signer_is_named_by_the_reason(live: LiveChecks, sandbox: Sandbox, fault: str, code: str) -> None:
    sandbox.instance.faults.set(fault)
    (found,) = live.trust()
    assert found.code == code
    assert found.remedy != ""


def test_an_asset_tag_of_another_instance_is_named(live: LiveChecks, tmp_path: Path) -> None:
    folder = tmp_path / "sys/devices/virtual/dmi/id"
    folder.mkdir(parents=True)
    (folder / "board_asset_tag").write_text("i-00000000000000000\n")
    assert codes(live.imds())[0] == "imds-impostor"
