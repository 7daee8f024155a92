# SPDX-License-Identifier: Apache-2.0
"""Whether there is a login method that needs no IMDS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Sequence

import pytest

from eic_sshd.config.schema import build
from eic_sshd.diagnose.other_logins import OtherLogins, findings, opens_a_session, users_with_keys

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


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummyDummyDummyDummyDummyDummyDummyDumm"
# What cloud-init writes for root on EC2 (disable_root_opts).
CLOUD_INIT = (
    "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,"
    r"""command="echo 'Please login as the user \"ec2-user\" rather than the user \"root\".';echo;sleep 10;exit 142" """
)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        (KEY, True),
        (f"  {KEY} alice@example.com", True),
        (f'from="10.0.0.0/8",no-pty {KEY}', True),
        (f'environment="A=command=x, y" {KEY}', True),
        (f'from="10.0.0.0/8",Command="x" {KEY}', False),
        (CLOUD_INIT + KEY, False),
        (f"# {KEY}", False),
        ("", False),
        ("ssh-ed25519", False),
        (f'from="10.0.0.0/8 {KEY}', False),
        ("a word AAAA", False),
    ],
)
def test_a_line_counts_if_its_key_opens_a_session(line: str, is_one: bool) -> None:
    assert opens_a_session(line) is is_one


def with_keys_of_root(tmp_path: Path, text: str, **effective: str) -> Sequence[str]:
    file = tmp_path / "keys" / "root"
    file.parent.mkdir()
    file.write_text(text)
    return users_with_keys({"authorizedkeysfile": "none /keys/%u", **effective}, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "permitted", "users"),
    [
        (KEY, "prohibit-password", ["root"]),
        (KEY, "without-password", ["root"]),
        (KEY, "yes", ["root"]),
        (KEY, "no", []),
        (KEY, "forced-commands-only", []),
        (CLOUD_INIT + KEY, "yes", []),
        (f"# a comment\n{CLOUD_INIT}{KEY}\n{KEY}\n", "yes", ["root"]),
    ],
)
def test_keys_of_root_count_if_root_may_log_in_with_them(
    tmp_path: Path, text: str, permitted: str, users: List[str]
) -> None:
    assert with_keys_of_root(tmp_path, text, permitrootlogin=permitted) == users


def test_keys_do_not_count_where_sshd_accepts_none(tmp_path: Path) -> None:
    assert with_keys_of_root(tmp_path, KEY, pubkeyauthentication="no") == []


def test_what_is_no_plain_file_has_no_keys(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    os.mkfifo(tmp_path / "keys" / "root")
    assert users_with_keys({"authorizedkeysfile": "/keys/%u"}, str(tmp_path)) == []
