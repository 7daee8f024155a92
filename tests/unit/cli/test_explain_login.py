# SPDX-License-Identifier: Apache-2.0
"""The login as sshd would ask for it: with the uid only if sshd passes it."""

from __future__ import annotations

import json
from typing import Optional, Tuple

import pytest

from eic_sshd.paths import CLIENT_COMMAND

from .explaining import Explain

CALLER = "arn:aws:iam::123456789012:user/alice"
POLICY = f'[policy "all"]\ncallers = {CALLER}\nos_users = *\n'
NOT_SEEN = "Whether sshd passes the uid was not seen. If it does not, [policy] treats every user as root."
NOT_PASSED = (
    "sshd's AuthorizedKeysCommand does not pass the uid, so [policy] treats every user as root. Run `eic-sshd enable`, "
    "or add --token U=%U to a line of your own."
)
USER = "nobody"  # no system account by its uid
COMMANDS = [
    (f"{CLIENT_COMMAND} --token U=%U %u %f", None, ()),
    (f"{CLIENT_COMMAND} --token=U=%U %u %f", None, ()),
    (f"{CLIENT_COMMAND} %u %f", "caller-forbidden", (NOT_PASSED,)),
    ("/usr/bin/other %u", None, ()),
    ("none", None, ()),
    (None, None, (NOT_SEEN,)),
]


@pytest.mark.parametrize(("sshd_command", "reason", "notes"), COMMANDS)
def test_caller_is_answered_as_sshd_would_ask(
    command: Explain, sshd_command: Optional[str], reason: Optional[str], notes: Tuple[str, ...]
) -> None:
    command.configure(POLICY)
    command.sshd_command = sshd_command
    document = json.loads(command.run("--caller", CALLER, USER, "--json"))
    assert (document["reason"], tuple(document["notes"])) == (reason, notes)
    assert (document["uid"] is None) == (reason is not None)


@pytest.mark.parametrize(("sshd_command", "reason", "notes"), COMMANDS)
def test_pushed_key_is_decided_on_as_sshd_would_ask(
    command: Explain, sshd_command: Optional[str], reason: Optional[str], notes: Tuple[str, ...]
) -> None:
    command.configure(POLICY)
    command.sshd_command = sshd_command
    assert tuple(json.loads(command.run(USER, "--json"))["notes"]) == notes


def test_without_a_policy_the_uid_does_not_matter(command: Explain) -> None:
    command.sshd_command = None
    assert json.loads(command.run(USER, "--json"))["notes"] == []
