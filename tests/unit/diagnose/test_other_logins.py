# SPDX-License-Identifier: Apache-2.0
"""Whether there is a login method that needs no IMDS."""

from __future__ import annotations

from typing import Dict, List

import pytest

from eic_sshd.config.schema import build
from eic_sshd.diagnose.other_logins import OtherLogins, findings

NEVER = build({}).fallback
FALLBACK = build({"fallback": {"keys_file": "/etc/keys/%u", "when": "unavailable"}}).fallback


@pytest.mark.parametrize(
    ("effective", "users", "code"),
    [
        ({}, [], "no-other-login"),
        ({"passwordauthentication": "no"}, [], "no-other-login"),
        ({"passwordauthentication": "yes"}, [], "other-logins"),
        ({"trustedusercakeys": "none"}, [], "no-other-login"),
        ({"trustedusercakeys": "/etc/ssh/ca.pub"}, [], "other-logins"),
        ({}, ["alice"], "other-logins"),
    ],
)
def test_methods_of_sshd(effective: Dict[str, str], users: List[str], code: str) -> None:
    (found,) = findings(OtherLogins(effective, NEVER, users))
    assert found.code == code


def test_a_fallback_is_a_method() -> None:
    (found,) = findings(OtherLogins({}, FALLBACK, []))
    assert found.code == "other-logins"
