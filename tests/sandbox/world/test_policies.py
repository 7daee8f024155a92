# SPDX-License-Identifier: Apache-2.0
"""The policies of a world file: in files of their own, and what the author is warned about."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from eic_sandbox.iam.policy import parse
from eic_sandbox.pki.authority import Pki
from eic_sandbox.world.document import WorldError
from eic_sandbox.world.world import load, warnings_of

from .worlds import SMALL, built

WORLD = "policies: {readers: {file: readers.json}}\naccounts: {'123456789012': {regions: {us-west-2: }}}\n"
GOOD = '{"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}'


def error(folder: Path, pki: Pki, world: str = WORLD) -> str:
    with pytest.raises(WorldError) as caught:
        built(world, pki, folder)
    return str(caught.value)


def test_a_policy_in_a_file_is_that_of_the_file(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "readers.json").write_text(GOOD)
    assert built(WORLD, pki, tmp_path).directory.policies["readers"] == parse(json.loads(GOOD), "readers")


def test_a_policy_file_may_have_64_kib(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "readers.json").write_text(GOOD.ljust(65536))
    assert built(WORLD, pki, tmp_path).directory.policies


def test_a_policy_may_be_in_a_folder_below_that_of_the_world(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.json").write_text(GOOD)
    for name in ("a/b.json", "a/../a/b.json", tmp_path / "a/b.json"):
        assert built(WORLD.replace("readers.json", str(name)), pki, tmp_path).directory.policies


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "readers.json:1: not JSON (Expecting value). Correct the line."),
        (b'{\n"Statement": {\n"Effect": }}', "readers.json:3: not JSON (Expecting value). Correct the line."),
        (b"Statement:\n  Effect: Allow\n", "readers.json:1: not JSON (Expecting value). Correct the line."),
        (b'{"Statement": NaN}', "readers.json: not JSON (NaN). Use a smaller number."),
        (b'{"Statement": "\xff"}', "readers.json: not UTF-8 (byte 0xff). Save the file as UTF-8."),
        (b'{\n"Statement":\n "\\ud800"}', "readers.json:3: half of a surrogate pair. Write the character itself."),
        (b"[" * 60_000, "readers.json: not JSON (nested too deeply). Use fewer levels."),
        (b"[" * 50 + b"]" * 50, "readers.json:1: more than 40 levels. Use fewer."),
        (
            b'{\n\t"Statement": [\n\t\t{"Effect": "Deny",\n\t\t "Effect": "Allow"}]}',
            "readers.json:4: Statement[0].Effect: given twice. Remove one of them.",
        ),
        (
            b'{"Statement": [\n {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"},\n {"Effect": "allow",\n'
            b'  "Action": "*", "Resource": "*"}]}',
            "readers.json:3: Statement[1].Effect: unknown effect ('allow'). Use Allow or Deny.",
        ),
        (b"[]", "readers.json:1: the file: not an object (an array). Use {...}."),
        (
            b" " * 65537,
            "world.yaml:1: policies.readers.file: the file has over 65536 bytes. Use a shorter policy.",
        ),
    ],
    ids=range(12),
)
def test_a_malformed_policy_in_a_file_is_an_error_at_its_line_there(
    tmp_path: Path, pki: Pki, content: bytes, message: str
) -> None:
    (tmp_path / "readers.json").write_bytes(content)
    assert error(tmp_path, pki) == message


def test_the_file_in_a_message_is_beside_the_world_file_as_it_was_named(tmp_path: Path) -> None:
    (tmp_path / "readers.json").write_text("{")
    (tmp_path / "world.yaml").write_text(WORLD)
    with pytest.raises(WorldError) as caught:
        load(str(tmp_path / "world.yaml"))
    assert str(caught.value).startswith(f"{tmp_path}/readers.json:1: not JSON (Expecting property name")


OUTSIDE = "a file outside the folder of the world file. Move it to that folder, or below."


@pytest.mark.parametrize(
    "name", ["../outside.json", "/etc/passwd", "link.json", "folder/passwd", "../world-too/x.json"]
)
def test_a_policy_outside_the_folder_of_the_world_is_refused(tmp_path: Path, pki: Pki, name: str) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    (tmp_path / "world-too").mkdir()
    for outside in ("outside.json", "world-too/x.json"):
        (tmp_path / outside).write_text(GOOD)
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    (folder / "folder").symlink_to("/etc")
    message = error(folder, pki, WORLD.replace("readers.json", name))
    assert message == f"world.yaml:1: policies.readers.file: {OUTSIDE}"


def test_a_policy_that_is_a_pipe_is_refused_at_once(tmp_path: Path, pki: Pki) -> None:
    os.mkfifo(tmp_path / "readers.json")
    assert "cannot be read (not a regular file)" in error(tmp_path, pki)


def test_a_policy_that_is_a_folder_or_not_there_is_an_error(tmp_path: Path, pki: Pki) -> None:
    assert "cannot be read (No such file or directory). Name a file that has a policy." in error(tmp_path, pki)
    (tmp_path / "readers.json").mkdir()
    assert "cannot be read (" in error(tmp_path, pki)


KEYS = """
policies:
  known: {Statement: {Effect: Deny, Action: "*", Resource: "*", Condition: {Bool: {"aws:SecureTransport": "false"}}}}
  mfa: {Statement: {Effect: Deny, Action: "*", Resource: "*", Condition: {Bool: {"aws:MultiFactorAuthPresent": "false"},
        Null: {"aws:MultiFactorAuthAge": "true"}, StringEquals: {"aws:SourceVpc": "vpc-1", "aws:username": "alice"}}}}
accounts:
  "123456789012":
    users:
      alice: {policies: [mfa,
              {Statement: {Effect: Allow, Action: "*", Resource: "*", Condition: {"Null": {"a:b": true}}}}]}
      bob: {policies: {Statement: {Effect: Allow, Action: "*", Resource: "arn:aws:ec2:*:*:instance/${aws:SourceVpce}"},
            Version: "2012-10-17"}}
    roles:
      Operators:
        trust: {Statement: {Effect: Allow, Principal: {AWS: "123456789012"}, Action: "sts:AssumeRole",
                Condition: {StringEquals: {"aws:SourceOrgID": "o", "sts:ExternalId": x}}}}
    regions:
      us-west-2:
"""


def test_condition_keys_that_no_request_has_are_warned_about_once_for_each_policy(pki: Pki) -> None:
    absent = "no request in the sandbox has the condition keys"
    assert warnings_of(built(KEYS, pki).directory) == [
        f"policy mfa: {absent} aws:MultiFactorAuthAge, aws:SourceVpc. They count as absent.",
        f"policy 2 of arn:aws:iam::123456789012:user/alice: {absent} a:b. They count as absent.",
        f"policy 1 of arn:aws:iam::123456789012:user/bob: {absent} aws:SourceVpce. They count as absent.",
        "trust policy of Operators of arn:aws:iam::123456789012:role/Operators: "
        f"{absent} aws:SourceOrgID. They count as absent.",
    ]


def test_a_world_whose_keys_are_all_known_has_no_warnings(pki: Pki) -> None:
    assert warnings_of(built(SMALL, pki).directory) == []
