# SPDX-License-Identifier: Apache-2.0
"""Settings of sshd's by which no pushed key logs in."""

from __future__ import annotations

import argparse
from typing import Dict, Sequence

import pytest

from eic_sshd.cli import check_config
from eic_sshd.diagnose.obstacles import obstacles
from eic_sshd.model.public_key import SUPPORTED_TYPES

ALL = frozenset(SUPPORTED_TYPES)


def keywords(effective: Dict[str, str], *types: str) -> str:
    return " ".join(obstacle.keyword for obstacle in obstacles(effective, frozenset(types) or ALL))


def test_what_is_not_set_is_no_obstacle() -> None:
    assert keywords({}) == ""


@pytest.mark.parametrize("value", ["no", "No"])
def test_without_public_key_authentication_none_logs_in(value: str) -> None:
    assert keywords({"pubkeyauthentication": value}) == "pubkeyauthentication"
    assert keywords({"pubkeyauthentication": "yes"}) == ""


def test_where_connections_are_refused_none_logs_in() -> None:
    """OpenSSH 10 and later."""
    assert keywords({"refuseconnection": "yes"}) == "refuseconnection"
    assert keywords({"refuseconnection": "no"}) == ""


@pytest.mark.parametrize(
    ("methods", "rules_out"),
    [
        ("any", False),
        ("publickey", False),
        ("publickey,password", False),  # and a second factor: still a way for a pushed key
        ("password publickey", False),
        ("password", True),
        ("keyboard-interactive:pam", True),
        ("hostbased password,keyboard-interactive:pam", True),
        ("publickey,keyboard-interactive:pam password", False),
        ("publickey,gssapi-with-mic password", True),  # sshd leaves out the first: it has no gssapi-with-mic
    ],
)
def test_lists_of_methods_without_publickey_rule_every_key_out(methods: str, rules_out: bool) -> None:
    effective = {"authenticationmethods": methods, "gssapiauthentication": "no", "passwordauthentication": "yes"}
    assert keywords(effective) == ("authenticationmethods" if rules_out else "")


@pytest.mark.parametrize(
    ("accepted", "types", "rules_out"),
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
def test_algorithms_that_no_allowed_type_has_rule_every_key_out(
    keyword: str, accepted: str, types: str, rules_out: bool
) -> None:
    assert keywords({keyword: accepted}, *types.split()) == (keyword if rules_out else "")


def run(*arguments: str, problems: Sequence[str] = (), warnings: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser()
    check_config.configure(parser)
    return check_config.exit_status(parser.parse_args(arguments).fail_on, problems, warnings)


@pytest.mark.parametrize(
    ("arguments", "problems", "warnings", "status"),
    [
        ("", "", "", 0),
        ("", "", "x", 0),
        ("", "x", "", 1),
        ("--fail-on error", "", "x", 0),
        ("--fail-on warning", "", "x", 1),
        ("--fail-on warning", "", "", 0),
        ("--fail-on warning", "x", "", 1),
        ("--strict", "", "x", 1),
        ("--strict", "", "", 0),
    ],
)
def test_check_config_fails_on_warnings_where_it_is_to(
    arguments: str, problems: str, warnings: str, status: int
) -> None:
    assert run(*arguments.split(), problems=problems.split(), warnings=warnings.split()) == status
