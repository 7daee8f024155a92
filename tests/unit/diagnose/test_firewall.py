# SPDX-License-Identifier: Apache-2.0
"""Which rule of the firewall denies a user, and the command that removes it."""

from __future__ import annotations

import pytest

from eic_sshd.diagnose.firewall import removal_of

DENIES = "OUTPUT -d 169.254.169.254/32 -m owner --uid-owner 999 -j REJECT --reject-with icmp-port-unreachable"


@pytest.mark.parametrize(
    ("rules", "command"),
    [
        (f"-P OUTPUT ACCEPT\n-A {DENIES}\n", f"iptables -D {DENIES}"),
        ("-A OUTPUT -m owner --uid-owner 999 -j DROP\n", "iptables -D OUTPUT -m owner --uid-owner 999 -j DROP"),
        ("-A OUTPUT -m owner --uid-owner 9990 -j DROP\n", ""),
        ("-A OUTPUT -m owner --uid-owner 999 -j ACCEPT\n", ""),
        ("-A OUTPUT -m owner ! --uid-owner 999 -j DROP\n", ""),
        ("-A OUTPUT -d 169.254.169.254/32 -j DROP\n", ""),
        ("-A OUTPUT -m comment --comment `reboot` -m owner --uid-owner 999 -j DROP\n", ""),
        ("", ""),
    ],
)
def test_rule_that_denies_the_user_is_removed(rules: str, command: str) -> None:
    assert removal_of(rules, 999) == command
