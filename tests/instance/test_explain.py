# SPDX-License-Identifier: Apache-2.0
"""`eic-sshd explain` on a booted machine: what it shows is what a login then meets."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator

import pytest

from testbed.keys import fingerprint
from testbed.machines.client import USER

from .instances import Instance

POLICY = "/etc/eic-sshd/conf.d/90-policy.conf"
DROP_IN = "/etc/ssh/sshd_config.d/60-eic-sshd.conf"
RELOAD = "systemctl reload ssh.service; sleep 1"


@pytest.fixture
def machine(installed: Instance) -> Iterator[Instance]:
    """The machine, whose policy and line in sshd's configuration are put back."""
    installed.machine.shell(f"cp -p {DROP_IN} /root/drop-in")
    yield installed
    installed.machine.shell(f"rm -f {POLICY}; cp -p /root/drop-in {DROP_IN}; {RELOAD}")


def explain(at: Instance, *words: str) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads(at.eic_sshd("explain", *words, "--json"))
    return found


def policy(at: Instance, caller: str, users: str) -> None:
    at.machine.shell(f"printf '[policy \"site\"]\\ncallers = {caller}\\nos_users = {users}\\n' >{POLICY}")


def test_what_is_explained_is_what_a_login_meets(machine: Instance) -> None:
    key, other = machine.client.key(), machine.client.key()
    machine.aws.push(USER, key.line)
    before = machine.machine.cursor()
    granted, refused = (explain(machine, USER, fingerprint(one.line)) for one in (key, other))
    assert machine.machine.records(before) == []
    assert (granted["reason"], granted["decided_as"], granted["notes"]) == ("granted", "eic-sshd", [])
    assert {rule["state"] for block in granted["blocks"] for rule in block["rules"]} == {"ok"}
    assert (refused["reason"], refused["rule"]) == ("fingerprint-mismatch", 8)
    assert machine.client.login(key).output == USER
    assert not machine.client.login(other).ok


def test_uid_counts_only_if_sshd_passes_it(machine: Instance) -> None:
    key = machine.client.key()
    machine.aws.push(USER, key.line)
    caller = explain(machine, USER)["blocks"][-1]["caller"]
    policy(machine, caller, "*")
    assert explain(machine, USER, fingerprint(key.line))["reason"] == "granted"
    assert explain(machine, "--caller", caller, USER)["decision"] == "allowed"
    machine.machine.shell(f"sed -i 's/ --token U=%U//' {DROP_IN}; {RELOAD}")
    found = explain(machine, USER, fingerprint(key.line))
    assert (found["reason"], found["rule"]) == ("caller-forbidden", 9)
    assert ["does not pass the uid" in note for note in found["notes"]] == [True]
    assert explain(machine, "--caller", caller, USER)["reason"] == "caller-forbidden"
    assert not machine.client.login(key).ok


def test_saved_answers_are_decided_on_without_imds(machine: Instance) -> None:
    key = machine.client.key()
    machine.aws.push(USER, key.line)
    machine.machine.shell("rm -rf /root/case")
    first = explain(machine, USER, fingerprint(key.line), "--save", "/root/case")
    machine.aws.stop()
    try:
        again = explain(machine, "--from", "/root/case")
    finally:
        machine.aws.start()
    assert (again["reason"], again["blocks"], again["rules"]) == ("granted", first["blocks"], first["rules"])
