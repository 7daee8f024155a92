# SPDX-License-Identifier: Apache-2.0
"""User databases that the service cannot reach."""

from __future__ import annotations

import pytest

from eic_sshd.diagnose.user_database import findings

IMDS_ONLY = "169.254.169.254/32 fd00:ec2::254/128"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("passwd: files systemd\n", []),
        ("passwd: files sss\n", []),
        ("passwd: files nis\n", ["/n:1"]),
        ("# passwd: nis\ngroup: files [NOTFOUND=return] ldap\n", ["/n:2"]),
        ("passwd: nis\ngroup: nis\nhosts: nis\n", ["/n:1", "/n:2"]),
        ("passwd\n", []),
    ],
)
def test_database_over_the_network_is_a_warning(text: str, places: list[str]) -> None:
    assert [one.subject for one in findings(text, "/n", IMDS_ONLY, False)] == places


def test_a_local_daemon_of_ldap_is_none() -> None:
    assert list(findings("passwd: ldap\n", "/n", IMDS_ONLY, True)) == []


@pytest.mark.parametrize("allowed", ["any", "0.0.0.0/0 ::/0"])
def test_a_service_without_limits_is_none(allowed: str) -> None:
    assert list(findings("passwd: nis\n", "/n", allowed, False)) == []
