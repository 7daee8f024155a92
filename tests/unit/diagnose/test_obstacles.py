# SPDX-License-Identifier: Apache-2.0
"""Settings of sshd by which no pushed key logs in."""

from __future__ import annotations

import argparse
from typing import Dict, List

import pytest

from eic_sshd.cli import check_config
from eic_sshd.diagnose.finding import Finding, error, exit_status, warning
from eic_sshd.diagnose.obstacles import obstacles
from eic_sshd.model.public_key import SUPPORTED_TYPES

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
