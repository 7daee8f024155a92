# SPDX-License-Identifier: Apache-2.0
"""Requests to the control API that are wrong, and those about one instance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from eic_sandbox.pki.authority import Pki
from eic_sandbox.server import Sandbox, running
from tests.sandbox.world.worlds import SMALL, built

from .answers import FIRST, OTHER, SECOND, Control

CAN = {"principal": "bob", "action": "ec2:DescribeInstances", "resource": "*"}
INSTANCES = f"{FIRST}, {SECOND}, {OTHER}"


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("PUT", "policies", {}, "the body: to is missing. Send: to, policy."),
        ("PUT", "policies", {"to": "bob"}, "the body: policy is missing. Send: to, policy."),
        ("PUT", "policies", {"to": 1, "policy": "x"}, "the body: to is not a string. Put it in double quotes."),
        ("PUT", "policies", {"to": "bob", "policy": None}, "the body: policy is not a string. Put it in "),
        ("PUT", "policies", {"to": "bob", "policy": "x"},
         "policy: unknown name (x). Use one of: readers, tunnels, regional; or add a document."),
        ("PUT", "policies", {"to": "bob", "policy": "\x1b[2J"},
         "policy: unknown name ('\\x1b[2J'). Use one of: readers, tunnels, regional; or add a document."),
        ("PUT", "policies", {"to": "nobody", "policy": "readers"}, "nobody: no such user, role or session. "),
        ("PUT", "policies", {"to": "bob", "policy": "x", "document": []}, "x: not an object (an array). Use {...}."),
        ("PUT", "policies", {"to": "bob", "policy": "x", "document": None}, "x: not an object (null). Use {...}."),
        ("PUT", "policies", {"to": "bob", "policy": "x\n", "document": {}}, "policy: invalid name ('x\\n'). "),
        ("PUT", "policies", {"to": "bob", "policy": "x" * 129, "document": {}}, "policy: invalid name ('xxxx"),
        ("PUT", "policies", {"to": "bob", "policy": "x", "document": {"Statement": {"Effect": "\n"}}},
         "x: Statement: neither Action nor NotAction. Use one of them."),
        ("PUT", "policies", {"to": "bob", "policy": "x", "documents": {}},
         "the body: unknown member (documents). Use: to, policy, document."),
        ("DELETE", "policies", {"from": "bob"}, "the body: policy is missing. Send: from, policy."),
        ("DELETE", "policies", {"from": "bob", "policy": ["regional"]}, "the body: policy is not a string. Put it in "),
        ("DELETE", "policies", {"from": "bob", "policy": "readers"},
         "arn:aws:iam::123456789012:user/bob: no policy readers is attached. Attached: regional."),
        ("DELETE", "policies", {"from": "Twin2", "policy": "x"}, "Twin2: no such user"),
        ("POST", "revoke", {}, "the body: role is missing. Send: role."),
        ("POST", "revoke", {"role": "bob"}, "bob: a user. Name a role."),
        ("POST", "revoke", {"role": "Operators"}, "Operators: 2 have this name. Use one of: arn:aws:iam::1"),
        ("POST", "revoke", {"role": "x", "now": True}, "the body: unknown member (now). Use: role."),
        ("POST", "can", {}, "the body: principal is missing. Send: principal, action, resource."),
        ("POST", "can", {**CAN, "principal": "123456789012/Operators"},
         "123456789012/Operators: a role. Name one of its sessions: 123456789012/Operators/SESSION."),
        ("POST", "can", {**CAN, "action": "DescribeInstances"},
         "action: invalid (DescribeInstances). Use SERVICE:ACTION, such as ec2:DescribeInstances."),
        ("POST", "can", {**CAN, "action": "ec2:*"}, "action: invalid (ec2:*). Use SERVICE:ACTION"),
        ("POST", "can", {**CAN, "action": 7}, "the body: action is not a string."),
        ("POST", "can", {**CAN, "resource": "i-ffffffff"},
         "resource: neither an ARN nor the id of an instance or endpoint (i-ffffffff). Use an ARN, an id, or *."),
        ("POST", "can", {**CAN, "resource": ""}, "resource: neither an ARN nor the id of an instance or "),
        ("POST", "can", {**CAN, "context": []}, 'the body: context is not an object. Send {"KEY": "VALUE"}.'),
        ("POST", "can", {**CAN, "context": {"x": "y"}}, "context: not a condition key (x). Use SERVICE:NAME, such as "),
        ("POST", "can", {**CAN, "context": {"aws:SourceIp": 1}}, "context: the value of aws:SourceIp is not a string."),
        ("POST", "can", {**CAN, "context": {"aws:SourceIp": ["a", 1]}}, "context: the value of aws:SourceIp is not a "),
        ("POST", "keys", {"user": "root"}, "the body: key is missing. Send: user, key."),
        ("POST", "keys", {"user": "root", "key": "k", "caller": 5}, "the body: caller is not a string."),
        ("POST", "keys?instance=x", {"user": "root", "key": "k"}, "instance: unknown id (x). Use one of: "),
        ("POST", "instances/i-ffffffff/stop", None, f"instance: unknown id (i-ffffffff). Use one of: {INSTANCES}."),
        ("POST", f"instances/{FIRST}/reboot", None, "instance: unknown change (reboot). Use one of: start, stop, "),
        ("POST", f"instances/..%2F{FIRST}/stop", None, f"instance: unknown id (../{FIRST}). Use one of: {INSTANCES}."),
        ("PUT", "faults/hang?instance=%1b", None, f"instance: unknown id ('\\x1b'). Use one of: {INSTANCES}."),
        ("PUT", "faults/hang?times=1e3", None, "times: invalid (1e3). Use a positive whole number."),
        ("PUT", "faults/hang?times=9999999999", None, "times: invalid (9999999999). Use a positive whole number."),
        ("PUT", "faults/hang%0a", None, "fault: unknown name ('hang\\n'). Use one of: hang, slow, "),
        ("DELETE", "faults/h", None, "fault: unknown name ('h'). Use one of: hang, slow, "),
        ("POST", "rotate/signers", None, "rotate: unknown name (signers). Use one of: signer, staples, tokens."),
        ("POST", "rotate/signer?instance=x", None, f"instance: unknown id (x). Use one of: {INSTANCES}."),
    ],
)  # fmt: skip
def test_a_request_that_is_wrong_gets_400_and_one_line(
    control: Control, method: str, path: str, body: object, message: str
) -> None:
    answer = control(method, path, body)
    assert answer.status == 400
    assert answer.error.startswith(message)
    assert len(answer.error) < 1000


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body: not JSON (Expecting value: line 1 column 1 (char 0)). Correct the syntax."),
        (b"role=x", "the body: not JSON (Expecting value"),
        (b"[]", "the body: not a JSON object. Send {...}."),
        (b'"role"', "the body: not a JSON object. Send {...}."),
        (b'{"role": "\xff"}', "the body: not UTF-8. Send JSON in UTF-8, without halves of surrogate pairs."),
        (b'{"role": "\\ud800"}', "the body: not UTF-8. Send JSON in UTF-8, without halves of surrogate pairs."),
        (b'{"role": "a", "role": "b"}', "the body: an object with two members of one name ('role'). Merge them."),
        (b'{"role": NaN}', "the body: not JSON (NaN). Use a number."),
        (b'{"role": ' + b"9" * 5000 + b"}", "the body: "),
        (b"[" * 80_000, "the body: not JSON (too deep, or a number too large). Correct the syntax."),
        (b'{"role": "' + b"a" * 100_000 + b'"}', "the body: larger than the limit ("),
        (b'{"role": "' + b"a" * 300_000 + b'"}', "the body: over 262144 bytes. Send a smaller one."),
    ],
    ids=range(12),
)
def test_a_body_that_is_not_a_small_json_object_gets_400(control: Control, body: bytes, message: str) -> None:
    answer = control("POST", "revoke", data=body)
    assert answer.status == 400
    assert answer.error.startswith(message)


def test_the_charset_of_a_body_does_not_count(control: Control) -> None:
    headers = {"Content-Type": "application/json; charset=nonsense"}
    answer = control("POST", "revoke", data=b'{"role": "210987654321/Operators"}', headers=headers)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "nonsense", 404), ("POST", "status", 405), ("GET", "../secret", 404)]
)
def test_an_unknown_request_is_refused_in_json(control: Control, method: str, path: str, status: int) -> None:
    answer = control(method, path)
    assert answer.status == status
    assert "See docs/sandbox.md for the requests." in answer.error


def test_a_web_page_of_another_server_controls_nothing(control: Control, world: Sandbox) -> None:
    for origin in ("http://example.com", "null", "http://127.0.0.1:1"):
        answer = control("POST", f"instances/{FIRST}/stop", headers={"Origin": origin})
        assert answer.status == 403
        assert answer.error.startswith("Origin: another server's web page (")
    assert control("GET", "credentials", headers={"Origin": "http://["}).status == 400
    assert world.instance.machine.state.value == "running"
    own = world.endpoints["control"]
    assert control("POST", f"instances/{FIRST}/stop", headers={"Origin": own}).status == 200


def test_an_instance_stops_starts_and_terminates_for_good(control: Control) -> None:
    for change, state in (("stop", "stopped"), ("start", "running"), ("terminate", "terminated")):
        answer = control("POST", f"instances/{SECOND}/{change}")
        assert (answer.status, answer.members["id"], answer.members["state"]) == (200, SECOND, state)
    answer = control("POST", f"instances/{SECOND}/start")
    assert (answer.status, answer.error) == (400, f"{SECOND}: is terminated, which is final. Use another instance.")


def faults(control: Control) -> object:
    instances = control("GET", "status").members["instances"]
    assert isinstance(instances, list)
    return [one["faults"] for one in instances]


def test_a_fault_is_set_and_cleared_at_one_instance_or_at_all(control: Control) -> None:
    control("PUT", f"faults/slow?instance={SECOND}")
    assert faults(control) == [[], ["slow"], []]
    control("PUT", "faults/hang")
    assert faults(control) == [["hang"], ["slow", "hang"], ["hang"]]
    control("DELETE", f"faults/hang?instance={FIRST}")
    control("DELETE", f"faults?instance={SECOND}")
    assert faults(control) == [[], [], ["hang"]]
    control("DELETE", "faults")
    assert faults(control) == [[], [], []]


def test_a_key_is_pushed_to_one_instance_or_to_all(control: Control, world: Sandbox) -> None:
    path = "managed-ssh-keys/active-keys/root"
    assert control("POST", f"keys?instance={SECOND}", {"user": "root", "key": "ssh-ed25519 AAAA"}).status == 200
    assert [instance.read(path) is not None for instance in world.cloud.instances()] == [False, True, False]
    control("POST", "keys", {"user": "root", "key": "ssh-ed25519 BBBB", "caller": "arn:aws:iam::1:user/x"})
    assert all(b"#Caller=arn:aws:iam::1:user/x" in (one.read(path) or b"") for one in world.cloud.instances())
    control("DELETE", f"keys?instance={FIRST}")
    assert [instance.read(path) is not None for instance in world.cloud.instances()] == [False, True, True]


def test_staples_and_tokens_of_one_instance_are_rotated_alone(
    control: Control, world: Sandbox, session: requests.Session
) -> None:
    tokens = {}
    for one, url in world.imds_urls.items():
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        tokens[one] = session.put(f"{url}/latest/api/token", headers=headers, timeout=5).text
    assert control("POST", f"rotate/tokens?instance={SECOND}").status == 200
    statuses = {
        one: session.get(
            f"{url}/latest/meta-data/instance-id", headers={"X-aws-ec2-metadata-token": tokens[one]}, timeout=5
        ).status_code
        for one, url in world.imds_urls.items()
    }
    assert statuses == {FIRST: 200, SECOND: 401, OTHER: 200}

    ocsp = "managed-ssh-keys/signer-ocsp/"
    names = (world.instance.read(ocsp[:-1]) or b"").decode().split()
    before = [[one.read(ocsp + name) for name in names] for one in world.cloud.instances()]
    assert control("POST", f"rotate/staples?instance={SECOND}").status == 200
    after = [[one.read(ocsp + name) for name in names] for one in world.cloud.instances()]
    assert [old == new for old, new in zip(before, after)] == [True, False, True]


def test_the_signer_of_an_instance_is_that_of_its_region(control: Control, world: Sandbox) -> None:
    cert = "managed-ssh-keys/signer-cert"
    before = [one.read(cert) for one in world.cloud.instances()]
    assert control("POST", f"rotate/signer?instance={SECOND}").status == 200
    assert all(
        old != one.read(cert) for old, one in zip(before, world.cloud.instances())
    )  # all share a PKI in this test


def test_each_instance_has_a_configuration_with_its_imds(world: Sandbox, session: requests.Session) -> None:
    control = world.endpoints["control"]
    for one, url in world.imds_urls.items():
        query = {"instance": one, "ca_file": "/x/root.pem"}
        text = session.get(f"{control}/eic-sshd.conf", params=query, timeout=5).text
        assert f"endpoint = {url}\n" in text
        assert "ca_file = /x/root.pem\n" in text
    bad = session.get(f"{control}/eic-sshd.conf", params={"ca_file": "/x\n[keys]"}, timeout=5)
    assert (bad.status_code, bad.json()["error"][:16]) == (400, "ca_file: invalid")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "keys", {"user": "root", "key": "k"}), ("GET", "eic-sshd.conf", None), ("PUT", "faults/hang", None)],
)
def test_a_world_without_instances_says_so(
    pki: Pki, session: requests.Session, method: str, path: str, body: object
) -> None:
    with running(Sandbox(built(SMALL, pki))) as sandbox:
        answer = session.request(method, f"{sandbox.endpoints['control']}/{path}", json=body, timeout=5)
        status = session.get(f"{sandbox.endpoints['control']}/status", timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "instance: the world has none. Add one to the world file.",
    )
    assert status.json()["instances"] == []


def test_the_trail_is_there_the_oldest_event_first(control: Control) -> None:
    assert control("GET", "trail").members == {"Records": []}


def test_a_sandbox_describes_each_of_its_instances(world: Sandbox, tmp_path: Path) -> None:
    world.describe(str(tmp_path))
    status = json.loads((tmp_path / "sandbox.json").read_text())
    assert [one["id"] for one in status["instances"]] == [FIRST, SECOND, OTHER]
    for one, url in world.imds_urls.items():
        assert f"endpoint = {url}\n" in (tmp_path / f"instances/{one}.conf").read_text()
