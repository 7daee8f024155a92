# SPDX-License-Identifier: Apache-2.0
"""The commands that change a running sandbox, and `can` and `trail`: exit statuses and messages."""

from __future__ import annotations

import json
from typing import List

import pytest

from eic_sandbox.server import Sandbox
from tests.sandbox.control.answers import FIRST, SECOND

from .commands import Command

CAROL = "123456789012/Operators/carol"
DESCRIBE, OPEN = "ec2:DescribeInstances", "ec2-instance-connect:OpenTunnel"
DENIED = "User: arn:aws:iam::123456789012:user/bob is not authorized to perform:"


def test_attach_and_detach_change_what_can_says(command: Command) -> None:
    assert command("can", "bob", DESCRIBE, "*") == (
        1,
        "no: no statement allows it\n"
        f"{DENIED} {DESCRIBE} because no identity-based policy allows the {DESCRIBE} action\n",
        "",
    )
    assert json.loads(command("attach", "bob", "readers").out) == {"attached": "readers", "to": "bob"}
    assert command("can", "bob", DESCRIBE, "*") == (0, "yes: Read of readers\n", "")
    assert json.loads(command("detach", "bob", "readers").out) == {"detached": "readers", "from": "bob"}
    assert command("can", "bob", DESCRIBE, "*").status == 1


def test_a_policy_in_a_file_is_attached(command: Command) -> None:
    policy = {"Statement": {"Sid": "Never", "Effect": "Deny", "Action": "*", "Resource": "*"}}
    file = command.folder / "policy.json"
    file.write_text(json.dumps(policy))
    assert command("attach", "bob", "own", "--file", str(file)).status == 0
    assert command("can", "bob", DESCRIBE, "*").out == (
        f"no: Never of own\n{DENIED} {DESCRIBE} with an explicit deny in an identity-based policy\n"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)). Correct the"),
        (b'{"a": 1, "a": 2}', "an object with two members of one name ('a'). Merge them."),
        (b"\xff", "not UTF-8. Use a file that contains one policy."),
        (b" " * 300_000, "larger than the limit (262,144 characters). Use at most 10,240 characters, or split"),
        (b"[" * 80_000, "not JSON (too deep, or a number too large). Correct the syntax."),
    ],
    ids=range(5),
)
def test_a_file_that_has_no_policy_is_an_error(command: Command, content: bytes, message: str) -> None:
    file = command.folder / "policy.json"
    file.write_bytes(content)
    done = command("attach", "bob", "own", "--file", str(file))
    assert done.status == 1
    assert done.err.startswith(f"eic-sandbox: {file}: {message}")


def test_can_takes_the_tags_of_an_id_and_keys_with_one_or_several_values(command: Command) -> None:
    command.lines("attach", "bob", "tunnels")
    asked = ["can", "bob", OPEN, "eice-0000000a"]
    assert command(*asked).status == 1
    assert command(*asked, "--context", "aws:SourceIp=192.0.2.1") == (0, "yes: BlueFromOffice of tunnels\n", "")
    two = ["--context", "aws:SourceIp=192.0.2.1", "--context", "aws:SourceIp=198.51.100.1"]
    assert command(*asked, *two).status == 1
    assert command(*asked, "--context", "aws:SourceIp=192.0.2.1", "--context", "aws:ResourceTag/team=a=b").status == 1


def test_revoke_ends_what_a_session_may_do(command: Command) -> None:
    assert command("can", CAROL, DESCRIBE, "*").status == 0
    assert json.loads(command("revoke", "123456789012/Operators").out)["revoked"] == "123456789012/Operators"
    assert command("can", CAROL, DESCRIBE, "*").out.startswith("no: statement 1 of AWSRevokeOlderSessions\n")


def test_stop_and_start_change_one_instance(command: Command) -> None:
    assert json.loads(command("stop", SECOND).out)["state"] == "stopped"
    states = {one["id"]: one["state"] for one in json.loads(command("status").out)["instances"]}
    assert (states[FIRST], states[SECOND]) == ("running", "stopped")
    assert json.loads(command("start", SECOND).out)["state"] == "running"


def test_faults_rotations_and_keys_may_be_of_one_instance(command: Command, world: Sandbox) -> None:
    command.lines("fault", "slow", "--instance", SECOND)
    assert [one["faults"] for one in json.loads(command("status").out)["instances"]] == [[], ["slow"], []]
    command.lines("clear", "slow", "--instance", SECOND)
    assert [one["faults"] for one in json.loads(command("status").out)["instances"]] == [[], [], []]
    command.lines("rotate", "staples", "--instance", SECOND)
    (command.folder / "key.pub").write_text("ssh-ed25519 AAAA\n")
    command.lines("push", "root", str(command.folder / "key.pub"), "--instance", SECOND)
    path = "managed-ssh-keys/active-keys/root"
    assert [one.read(path) is not None for one in world.cloud.instances()] == [False, True, False]


def test_the_trail_has_one_event_a_line(command: Command, world: Sandbox) -> None:
    assert command.lines("trail") == []
    for number in (1, 2):
        world.trail.record({"number": number, "userAgent": "\x1b[31m\n"})
    assert [json.loads(line)["number"] for line in command.lines("trail")] == [1, 2]
    assert all(line.isprintable() for line in command.lines("trail"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["can", "nobody", DESCRIBE, "*"], "nobody: no such user, role or session. Use one of: Operators, Twin, "),
        (["can", "bob", "Describe", "*"], "action: invalid (Describe). Use SERVICE:ACTION, such as ec2:"),
        (["can", "bob", DESCRIBE, "i-x"], "resource: neither an ARN nor the id of an instance or endpoint (i-x). Use"),
        (["can", "bob", DESCRIBE, "*", "--context", "x"], "--context: not KEY=VALUE ('x'). Use e.g. aws:SourceIp=1"),
        (["can", "bob", DESCRIBE, "*", "--context", "=x"], "--context: not KEY=VALUE ('=x'). Use e.g. aws:SourceIp="),
        (["can", "bob", DESCRIBE, "*", "--context", "x=y"], "context: not a condition key (x). Use SERVICE:NAME, such"),
        (["attach", "bob", "x"], "policy: unknown name (x). Use one of: readers, tunnels, regional; or add a "),
        (["attach", "\x1b[31m", "readers"], "'\\x1b[31m': no such user, role or session. Use one of: Operators, Twin,"),
        (["attach", "bob", "x", "--file", "/nonexistent"], "/nonexistent: No such file or directory. Use another"),
        (["detach", "bob", "x"], "arn:aws:iam::123456789012:user/bob: no policy x is attached. Attached: regional."),
        (["revoke", "bob"], "bob: a user. Name a role."),
        (["stop", "i-1"], "instance: unknown id (i-1). Use one of: i-0000000000000000a, i-0000000000000000b, i-0000"),
        (["stop", f"../faults/{FIRST}"], f"instance: unknown id (../faults/{FIRST}). Use one of: i-0000000000000000a,"),
        (["stop", f"{FIRST}?x"], f"instance: unknown id ({FIRST}?x). Use one of: "),
        (["stop", "."], "'POST /instances/stop': Not Found. See docs/sandbox.md for the requests."),
        (["stop", ""], "'POST /instances//stop': Not Found. See docs/sandbox.md for the requests."),
        (["fault", "slow", "--instance", "x"], "instance: unknown id (x). Use one of: "),
        (["rotate", "signer", "--instance", "x"], "instance: unknown id (x). Use one of: "),
        (["env", "--as", "nobody"], "nobody: no such user, role or session. Use one of: "),
        (["env", "--as", "bob"], "arn:aws:iam::123456789012:user/bob: no access key. Add one to the world file."),
        (["env", "--as", "123456789012/Operators"], "arn:aws:iam::123456789012:role/Operators: a role has no access"),
    ],
)  # fmt: skip
def test_what_the_sandbox_refuses_is_one_line_and_status_1(
    command: Command, arguments: List[str], message: str
) -> None:
    done = command(*arguments)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"eic-sandbox: {message}")
    assert done.err[:-1].isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ["can", "bob", DESCRIBE],
        ["can"],
        ["attach", "bob"],
        ["detach", "bob"],
        ["revoke"],
        ["stop"],
        ["stop", FIRST, SECOND],
        ["terminate", FIRST],
        ["fault", "slow", "--times", "x"],
        ["env", "--host"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_a_usage_error_with_status_2(alone: Command, arguments: List[str]) -> None:
    done = alone(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("usage: eic-sandbox")
