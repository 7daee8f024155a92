# SPDX-License-Identifier: Apache-2.0
"""[users] and [policy] through the daemon and in the client's process, with the installed programs."""

from __future__ import annotations

import os
from typing import Callable, Iterator, List, Tuple

import pytest

from testbed import keys, private_host
from testbed.keys import fingerprint
from tests import policies

from .daemon import Daemon
from .installed_client import Answer, Client, bare

ALICE = "arn:aws:iam::123456789012:user/alice"
USER = "ec2-user"
UID = ("--token", "U=1000")
# Those of the table that need no directory of groups, and whose caller fits into a block.
PAIRS = [pair for pair in policies.PAIRS if "user/team/" not in pair[0] and pair[0].isprintable()]


@pytest.fixture(params=["daemon", "in-process"])
def ready(request: pytest.FixtureRequest, client: Client) -> Iterator[Callable[[str], Client]]:
    """Gives the client with this text in its configuration, with a daemon or without one."""
    daemons: List[Daemon] = []

    def configured(text: str) -> Client:
        client.configure(extra=text)
        if request.param == "daemon" and not daemons:
            daemons.append(Daemon(client))
        return client

    yield configured
    for daemon in daemons:
        daemon.stop()


def login(client: Client, line: str, user: str = USER, token: Tuple[str, ...] = UID) -> Answer:
    return client.ask(user, fingerprint(line), more=token)


def test_table_of_callers_and_accounts_is_decided_as_the_rule_decides_it(
    ready: Callable[[str], Client], ed25519: str
) -> None:
    client = ready(policies.POLICIES)
    wrong = []
    for caller, user, uid, expected in PAIRS:
        line = keys.ed25519_line()
        client.sandbox.instance.push(user, line, caller)
        answer = login(client, line, user, ("--token", f"U={uid}"))
        (record,) = answer.records
        found = tuple(record.get("policy", "").split(", ")) if record["reason"] == "granted" else ()
        if found != expected or answer.printed != (bare(line) if expected else ""):
            wrong.append((caller, user, uid, record))
        elif not expected and caller.isascii():
            assert record.get("caller", "") == caller
    assert wrong == []


def test_user_counts_as_root_where_sshd_does_not_pass_the_uid(ready: Callable[[str], Client], ed25519: str) -> None:
    client = ready(f'[policy "all"]\ncallers = {ALICE}\nos_users = *\n')
    client.sandbox.instance.push(USER, ed25519, ALICE)
    answer = login(client, ed25519, token=())
    assert (answer.printed, answer.reason) == ("", "caller-forbidden")
    assert "counts as root" in answer.records[0]["message"]
    assert login(client, ed25519).printed == bare(ed25519)


@pytest.mark.skipif(not private_host.is_inside(), reason="needs the accounts of a private host")
def test_real_group_of_a_real_user_decides(ready: Callable[[str], Client], ed25519: str) -> None:
    for group, reason in ((USER, "granted"), ("deploy", "caller-forbidden"), ("no-such-group", "groups-unknown")):
        client = ready(f'[policy "group"]\ncallers = {ALICE}\nos_users = @{group}\n')
        client.sandbox.instance.push(USER, ed25519, ALICE)
        answer = login(client, ed25519)
        assert answer.reason == reason
        assert answer.printed == (bare(ed25519) if reason == "granted" else "")


@pytest.mark.parametrize(
    ("users", "reason", "printed"),
    [
        ("deny = ec2-user", "user-forbidden", ""),
        ("allow = deploy", "user-forbidden", ""),
        ("deny = @no-such-group", "user-groups-unknown", ""),
        ("allow = @no-such-group", "user-groups-unknown", ""),
        ("skip = @no-such-group", "skip-groups-unknown", "ssh-ed25519 AAAA chained\n"),
        ("skip = *", "user-skipped", "ssh-ed25519 AAAA chained\n"),
    ],
)
@pytest.mark.skipif(not private_host.is_inside(), reason="a chained command must be root's (needs root)")
def test_users_setting_stops_imds_and_deny_stops_the_chained_command(
    ready: Callable[[str], Client], ed25519: str, users: str, reason: str, printed: str
) -> None:
    client = ready(f"[users]\n{users}\n[chain]\ncommand = /bin/echo ssh-ed25519 AAAA chained\n")
    client.sandbox.instance.push(USER, ed25519, ALICE)
    client.sandbox.imds.requests.clear()
    answer = login(client, ed25519)
    assert answer.printed == printed
    assert answer.records[0]["reason"] == reason
    assert client.sandbox.imds.requests == []


@pytest.mark.skipif(not private_host.is_inside(), reason="a chained command must be root's (needs root)")
def test_denied_user_gets_no_chained_key_while_another_section_is_invalid(ready: Callable[[str], Client]) -> None:
    client = ready("")
    client.config.write_text(
        client.config.read_text().replace("[imds]\n", "[imds]\nrequest_timeout = soon\n")
        + "[users]\ndeny = ec2-user\n[chain]\ncommand = /bin/echo ssh-ed25519 AAAA chained\n"
    )
    denied, other = client.ask(USER, "SHA256:x", more=UID), client.ask("deploy", "SHA256:x", more=UID)
    assert (denied.printed, denied.records[0]["reason"]) == ("", "user-forbidden")
    assert (other.printed, other.records[0]["reason"]) == ("ssh-ed25519 AAAA chained\n", "config-invalid")


def test_daemon_notices_a_changed_configuration_by_itself(client: Client, ed25519: str) -> None:
    daemon = Daemon(client)
    try:
        client.sandbox.instance.push(USER, ed25519, ALICE)
        assert login(client, ed25519).printed == bare(ed25519)
        drop_in = client.config.parent / "conf.d/users.conf"
        drop_in.parent.mkdir()
        drop_in.write_text(f"[users]\ndeny = {USER}\n")
        assert login(client, ed25519).reason == "user-forbidden"
        drop_in.write_text("[users]\ndeny = nobody\n")
        assert login(client, ed25519).printed == bare(ed25519)
        drop_in.write_text('[users]\ndeny = "\n')
        assert login(client, ed25519).reason == "config-invalid"
        drop_in.unlink()
        assert login(client, ed25519).records[0]["source"] == "imds"
        assert login(client, ed25519).records[0]["source"] == "cache"
        other = client.config.with_name("other.conf")
        other.write_text(client.config.read_text() + f'[policy "a"]\ncallers = {ALICE}\nos_users = deploy\n')
        os.replace(other, client.config)
        assert login(client, ed25519).reason == "caller-forbidden"
    finally:
        daemon.stop()
