# SPDX-License-Identifier: Apache-2.0
"""What is concluded from what was observed of IMDS."""

from __future__ import annotations

from typing import Dict, List

import pytest

from eic_sshd.diagnose.finding import Severity
from eic_sshd.diagnose.imds_access import IPV4, IPV6, ImdsFacts, findings, other_address
from eic_sshd.diagnose.imds_probe import Answer, Observation

ID = "i-0123456789abcdef0"
FACTS = ImdsFacts("eic-sshd", tag=ID)
GOOD = Observation(IPV4, token=Answer(200, "EC2ws"), has_token=True, instance_id=ID)
NO_TOKEN = GOOD._replace(has_token=False, instance_id="")
CASES = {
    "IMDS of EC2": (GOOD, FACTS, ["imds-answers"]),
    "IMDS of EC2 on Xen": (GOOD, FACTS._replace(tag=""), ["imds-answers"]),
    "no route": (Observation(IPV4, refusal="No route to host"), FACTS._replace(root_refusal="x"), ["imds-unreachable"]),
    "a firewall for the user": (Observation(IPV4, refusal="timed out"), FACTS, ["imds-blocked-for-user"]),
    "a refusal that root sees too": (
        Observation(IPV4, refusal="timed out"),
        ImdsFacts("root"),
        ["imds-unreachable"],
    ),
    "the hop limit": (Observation(IPV4, silent=True), FACTS, ["imds-hop-limit"]),
    "no HTTP": (Observation(IPV4, failure="ConnectionError"), FACTS, ["imds-error"]),
    "turned off": (NO_TOKEN._replace(token=Answer(403, "EC2ws")), FACTS, ["imds-disabled"]),
    "an error": (NO_TOKEN._replace(token=Answer(500, "EC2ws")), FACTS, ["imds-error"]),
    "no token": (NO_TOKEN, FACTS, ["imds-error"]),
    "no instance id": (GOOD._replace(instance_id=""), FACTS, ["imds-error"]),
    "a proxy": (GOOD._replace(token=Answer(200, "EC2ws", via="1.1 squid")), FACTS, ["imds-impostor", "imds-answers"]),
    "another server": (GOOD._replace(token=Answer(200, "nginx")), FACTS, ["imds-impostor", "imds-answers"]),
    "no server": (GOOD._replace(token=Answer(200)), FACTS, ["imds-impostor", "imds-answers"]),
    "another instance": (GOOD._replace(instance_id="i-other"), FACTS, ["imds-impostor", "imds-answers"]),
    "a page of a proxy": (
        NO_TOKEN._replace(token=Answer(200, "nginx")),
        FACTS,
        ["imds-impostor", "imds-error"],
    ),
    "the sandbox": (
        GOOD._replace(token=Answer(200, "Python")),
        FACTS._replace(has_own_roots=True),
        ["imds-unusual-server", "imds-answers"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_finding_for(case: str) -> None:
    seen, facts, codes = CASES[case]
    found = list(findings(seen, facts))
    assert [one.code for one in found] == codes
    assert all("\n" not in one.text() for one in found)


def severities(case: str) -> Dict[str, Severity]:
    seen, facts, _ = CASES[case]
    return {one.code: one.severity for one in findings(seen, facts)}


def test_an_unusual_server_is_a_warning_and_a_proxy_or_another_instance_a_problem() -> None:
    assert severities("another server")["imds-impostor"] is Severity.WARNING
    assert severities("a proxy")["imds-impostor"] is Severity.PROBLEM
    assert severities("another instance")["imds-impostor"] is Severity.PROBLEM


@pytest.mark.parametrize(
    ("case", "command"),
    [
        ("turned off", f"aws ec2 modify-instance-metadata-options --instance-id {ID} --http-endpoint enabled"),
        (
            "the hop limit",
            f"aws ec2 modify-instance-metadata-options --instance-id {ID} --http-endpoint enabled "
            "--http-put-response-hop-limit 2",
        ),
    ],
)
def test_aws_command_that_corrects(case: str, command: str) -> None:
    seen, facts, _ = CASES[case]
    (found,) = findings(seen, facts)
    assert found.command == command


def test_a_known_rule_of_the_firewall_is_removed_by_the_command() -> None:
    seen = Observation(IPV4, refusal="Connection refused")
    (found,) = findings(seen, FACTS._replace(removal="iptables -D OUTPUT 1"))
    assert found.command == "iptables -D OUTPUT 1"


@pytest.mark.parametrize("tag", ["", "x", "i-0123456789abcdef0; reboot"])
def test_an_asset_tag_that_is_no_instance_id_is_in_no_command(tag: str) -> None:
    (found,) = findings(Observation(IPV4, silent=True), ImdsFacts("x", tag=tag))
    assert "--instance-id INSTANCE_ID " in found.command


OTHER: List[object] = [
    (Observation(IPV6, refusal="Network is unreachable"), "imds-other-address", Severity.OK),
    (Observation(IPV6, silent=True), "imds-other-address", Severity.OK),
    (Observation(IPV6, token=Answer(403, "EC2ws")), "imds-other-address", Severity.OK),
    (Observation(IPV6, token=Answer(200, "EC2ws")), "imds-other-address", Severity.OK),
    (Observation(IPV6, token=Answer(200, "nginx")), "imds-other-impostor", Severity.WARNING),
    (Observation(IPV6, token=Answer(200, "EC2ws", via="x")), "imds-other-impostor", Severity.WARNING),
]


@pytest.mark.parametrize(("seen", "code", "severity"), OTHER)
def test_the_address_that_is_not_configured_is_a_warning_only_if_another_program_answers(
    seen: Observation, code: str, severity: Severity
) -> None:
    (found,) = other_address(seen, IPV4)
    assert (found.code, found.severity) == (code, severity)
