# SPDX-License-Identifier: Apache-2.0
"""Decisions of the resident daemon, requested through the installed client."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Optional

import pytest

from testbed import keys

from .daemon import Daemon, ask, reads
from .installed_client import CALLER, USER, Client, bare


def test_daemon_answers_as_the_client_would_in_its_own_process(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    answer = ask(client, ed25519)
    assert (answer.status, answer.printed, answer.errors) == (0, bare(ed25519), "")
    (record,) = answer.records
    assert (record["decision"], record["source"], record["caller"]) == ("granted", "imds", CALLER)
    assert record["sshd_pid"] == os.getpid()


def test_warm_daemon_needs_one_request_to_imds_for_a_login(daemon: Daemon, client: Client, ed25519: str) -> None:
    first = keys.ed25519_line()
    client.sandbox.instance.push(USER, first, CALLER)
    ask(client, first)
    reads(client)
    client.sandbox.instance.push(USER, ed25519, CALLER)
    # sshd asks once for the offered key and once more for its signature.
    answers = [ask(client, ed25519) for _ in range(2)]
    assert [answer.records[0]["source"] for answer in answers] == ["imds", "cache"]
    assert [answer.printed for answer in answers] == [bare(ed25519)] * 2
    assert answers[1].records[0]["caller"] == CALLER
    assert reads(client) == 1


def test_warm_daemon_needs_one_request_to_imds_without_pushed_keys(daemon: Daemon, client: Client) -> None:
    ask(client)
    reads(client)
    assert ask(client).reason == "no-active-keys"
    assert reads(client) == 1


def test_key_pushed_just_after_an_empty_answer_is_granted(daemon: Daemon, client: Client, ed25519: str) -> None:
    assert ask(client, ed25519).printed == ""
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(client, ed25519).printed == bare(ed25519)


def test_cached_key_is_granted_to_its_user_only(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    assert ask(client, ed25519).printed == bare(ed25519)
    assert ask(client, ed25519, user="nobody").printed == ""


def test_cached_key_expires(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.window = 2
    try:
        client.sandbox.instance.push(USER, ed25519, CALLER)
        assert ask(client, ed25519).printed == bare(ed25519)
        time.sleep(2.1)
        assert ask(client, ed25519).reason == "no-active-keys"
    finally:
        client.sandbox.instance.window = 60


def test_rotated_signer_is_verified_without_refusing_a_login(daemon: Daemon, client: Client) -> None:
    for _ in range(3):
        line = keys.ed25519_line()
        client.sandbox.instance.push(USER, line, CALLER)
        assert ask(client, line).printed == bare(line)
        client.sandbox.instance.rotate_signer()


def test_signer_revoked_after_a_rotation_is_refused(daemon: Daemon, client: Client) -> None:
    first, second = keys.ed25519_line(), keys.ed25519_line()
    client.sandbox.instance.push(USER, first, CALLER)
    assert ask(client, first).printed == bare(first)
    client.sandbox.instance.rotate_signer()
    client.sandbox.instance.faults.set("revoked")
    client.sandbox.instance.push(USER, second, CALLER)
    assert ask(client, second).reason == "signer-revoked"


def test_expired_imds_token_is_renewed(daemon: Daemon, client: Client) -> None:
    ask(client)
    client.sandbox.imds.forget_tokens()
    reads(client)
    assert ask(client).reason == "no-active-keys"
    assert reads(client) == 3


def test_client_with_another_configuration_decides_by_that(daemon: Daemon, client: Client, ed25519: str) -> None:
    client.sandbox.instance.push(USER, ed25519, CALLER)
    other = client.config.with_name("other.conf")
    other.write_text(client.config.read_text() + "[keys]\ntypes = ssh-rsa\n")
    arguments = [client.command, "--socket", client.socket, "--config", str(other), USER]
    assert subprocess.run(arguments, capture_output=True, text=True, timeout=20).stdout == ""
    assert '"key-type-forbidden"' in client.log.read_text()


@pytest.mark.parametrize(("fact", "reason"), [("region", "signer-name-mismatch"), ("instance_id", "instance-mismatch")])
def test_wrong_region_or_instance_id_is_not_cached(
    daemon: Daemon, client: Client, ed25519: str, fact: str, reason: str
) -> None:
    instance = client.sandbox.instance
    facts = instance.metadata
    instance.push(USER, ed25519, CALLER)
    read = instance.read

    def wrong(path: str) -> Optional[bytes]:
        if path in ("placement/region", "instance-id") and fact.partition("_")[0] in path:
            return {"region": b"eu-west-1", "instance_id": b"i-0fedcba9876543210"}[fact]
        return read(path)

    instance.read = wrong  # type: ignore[method-assign]
    try:
        assert ask(client, ed25519).reason == reason
    finally:
        instance.read = read  # type: ignore[method-assign]
    assert instance.metadata == facts
    assert ask(client, ed25519).printed == bare(ed25519)
