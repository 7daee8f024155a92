# SPDX-License-Identifier: Apache-2.0
"""Settings of sshd by which no pushed key logs in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from eic_sshd.cli import check_config
from eic_sshd.diagnose.finding import Finding, Severity, error, exit_status, warning
from eic_sshd.diagnose.obstacles import obstacles, warnings
from eic_sshd.model.public_key import SUPPORTED_TYPES
from eic_sshd.sshd.connections import ORDINARY, Connection
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Settings, Sshd
from eic_sshd.sshd.site import Site

ALL = frozenset(SUPPORTED_TYPES)


def keywords(effective: Dict[str, str], *types: str) -> str:
    return " ".join(obstacle.keyword for obstacle in obstacles(effective, frozenset(types) or ALL))


def test_defaults_are_no_obstacle() -> None:
    assert keywords({}) == ""


@pytest.mark.parametrize("value", ["no", "No"])
def test_disabled_public_key_authentication_is_an_obstacle(value: str) -> None:
    assert keywords({"pubkeyauthentication": value}) == "pubkeyauthentication"
    assert keywords({"pubkeyauthentication": "yes"}) == ""


def test_refused_connections_are_an_obstacle() -> None:
    """OpenSSH 10 and later."""
    assert keywords({"refuseconnection": "yes"}) == "refuseconnection"
    assert keywords({"refuseconnection": "no"}) == ""


@pytest.mark.parametrize(
    ("methods", "is_obstacle"),
    [
        ("any", False),
        ("publickey", False),
        ("publickey,password", False),  # a second factor: a pushed key is still of use
        ("password publickey", False),
        ("password", True),
        ("keyboard-interactive:pam", True),
        ("hostbased password,keyboard-interactive:pam", True),
        ("publickey,keyboard-interactive:pam password", False),
        ("publickey,gssapi-with-mic password", True),  # sshd leaves out the first: it has no gssapi-with-mic
    ],
)
def test_lists_of_methods_without_publickey_are_an_obstacle(methods: str, is_obstacle: bool) -> None:
    effective = {"authenticationmethods": methods, "gssapiauthentication": "no", "passwordauthentication": "yes"}
    assert keywords(effective) == ("authenticationmethods" if is_obstacle else "")


@pytest.mark.parametrize(
    ("accepted", "types", "is_obstacle"),
    [
        ("ssh-ed25519", "", False),
        ("ssh-ed25519", "ssh-rsa", True),
        ("rsa-sha2-256", "ssh-rsa", False),
        ("rsa-sha2-512", "ssh-rsa", False),
        ("rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com", "", True),
        ("webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", False),
        ("ssh-dss", "", True),
        ("ecdsa-*", "ecdsa-sha2-nistp521", False),
        ("ecdsa-*", "ssh-ed25519 ssh-rsa", True),
        ("*", "", False),
        ("ssh-mldsa44-ed25519", "", True),
    ],
)
@pytest.mark.parametrize("keyword", ["pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"])
def test_algorithms_of_no_allowed_key_type_are_an_obstacle(
    keyword: str, accepted: str, types: str, is_obstacle: bool
) -> None:
    assert keywords({keyword: accepted}, *types.split()) == (keyword if is_obstacle else "")


class RecordingSshd(Sshd):
    """Denies keys to every connection but the ordinary one, and counts how often it is run."""

    runs = 0

    def settings(self, connection: Connection = ORDINARY) -> Settings:
        self.runs += 1
        return [("pubkeyauthentication", "yes" if connection == ORDINARY else "no")]


def warned(tmp_path: Path, config: str) -> Tuple[List[Finding], int]:
    path = tmp_path / "sshd_config"
    path.write_text(config)
    sshd = RecordingSshd("/no/such/sshd", str(path))
    return list(warnings(Site(sshd, Processes(), root=str(tmp_path)), ALL)), sshd.runs


def test_each_match_block_is_looked_at_and_sshd_is_run_once_for_a_connection(tmp_path: Path) -> None:
    found, runs = warned(tmp_path, "".join(f"Match User user{number % 10}\n" for number in range(100)))
    assert [one.code for one in found] == ["public-keys-disabled"] * 100
    assert runs == 11


def test_of_very_many_match_blocks_the_first_are_looked_at_and_the_others_counted(tmp_path: Path) -> None:
    found, runs = warned(tmp_path, "".join(f"Match User user{number}\n" for number in range(1000)))
    assert runs == 41
    assert [one.code for one in found] == ["public-keys-disabled"] * 40 + ["match-blocks-left"]
    assert found[-1].severity is Severity.UNKNOWN
    assert "960 of them were not looked at" in found[-1].problem


P, W = error("x", "sshd", "a problem"), warning("x", "sshd", "a warning")


@pytest.mark.parametrize(
    ("arguments", "findings", "status"),
    [
        ("", [], 0),
        ("", [W], 0),
        ("", [P], 1),
        ("--fail-on problem", [W], 0),
        ("--fail-on warning", [W], 1),
        ("--fail-on warning", [], 0),
        ("--fail-on warning", [P], 1),
        ("--strict", [W], 1),
        ("--strict", [], 0),
    ],
)
def test_check_config_fails_on_problems_and_if_requested_on_warnings(
    arguments: str, findings: List[Finding], status: int
) -> None:
    parser = argparse.ArgumentParser()
    check_config.configure(parser)
    assert exit_status(parser.parse_args(arguments.split()).fail_on, findings) == status
