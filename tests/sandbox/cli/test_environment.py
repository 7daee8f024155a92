# SPDX-License-Identifier: Apache-2.0
"""`eic-sandbox env`: in a real shell, with the real AWS SDK."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from eic_sandbox.server import Sandbox

from .commands import Command

SECRET = "it's;$(id)`id`&\\"
ALICE = "123456789012/alice"


def shell(folder: Path, name: str, after: str, **variables: str) -> List[str]:
    """What `after` prints in a POSIX shell that has evaluated what `env` prints."""
    script = f'set -eu; eval "$("$0" -m eic_sandbox env --directory "$1" --as "$2")"; {after}'
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    command = ["sh", "-c", script, sys.executable, str(folder), name]
    done = subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


IDENTITY = '"$0" -c \'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])\''
INSTANCES = '"$0" -c \'import boto3; print(len(boto3.client("ec2").describe_instances()["Reservations"]))\''


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        (ALICE, "arn:aws:iam::123456789012:user/alice"),
        ("123456789012/Operators/carol", "arn:aws:sts::123456789012:assumed-role/Operators/carol"),
        ("210987654321/Operators/carol", "arn:aws:sts::210987654321:assumed-role/Operators/carol"),
    ],
)
def test_a_shell_that_evaluates_env_is_who_it_names(command: Command, name: str, arn: str) -> None:
    assert shell(command.folder, name, IDENTITY) == [arn]


def test_variables_of_other_clouds_do_not_lead_elsewhere(command: Command) -> None:
    elsewhere = {
        "AWS_PROFILE": "other",
        "AWS_SESSION_TOKEN": "old",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:9",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_REGION": "eu-west-1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    lines = shell(command.folder, ALICE, f"{IDENTITY}; {INSTANCES}", **elsewhere)
    assert lines == ["arn:aws:iam::123456789012:user/alice", "2"]


def test_a_secret_with_characters_of_the_shell_arrives_whole(command: Command) -> None:
    assert shell(command.folder, ALICE, "printenv AWS_SECRET_ACCESS_KEY") == [SECRET]


def test_hosts_without_a_proxy_stay_so_and_are_listed_once(command: Command) -> None:
    again = 'eval "$("$0" -m eic_sandbox env --directory "$1" --as "$2")"; printenv NO_PROXY no_proxy'
    first, second = shell(command.folder, ALICE, again, NO_PROXY="example.com,10.0.0.1")
    assert first == second
    listed = first.split(",")
    assert listed[:3] == ["example.com", "10.0.0.1", "127.0.0.1"]
    assert len(listed) == len(set(listed)) == 4


def test_a_folder_with_characters_of_the_shell_is_quoted(command: Command) -> None:
    folder = command.folder / "it's $(touch injected) `id`;\n&"
    shutil.copytree(command.folder, folder, ignore=shutil.ignore_patterns(folder.name))
    assert shell(folder, ALICE, 'printf %s "$AWS_CA_BUNDLE"') == str(folder / "ca.pem").splitlines()


def test_without_a_name_env_takes_the_first_user(command: Command) -> None:
    assert "export AWS_ACCESS_KEY_ID=AKIAALICEEXAMPLE0000" in command.lines("env")


def test_a_session_has_a_token_and_a_user_unsets_it(command: Command) -> None:
    assert "unset AWS_SESSION_TOKEN" in command.lines("env", "--as", ALICE)
    lines = command.lines("env", "--as", "123456789012/Operators/carol")
    assert "export AWS_SESSION_TOKEN=carol-token" in lines
    assert "unset AWS_SESSION_TOKEN" not in lines


def test_hosts_are_the_names_of_the_endpoints(command: Command, world: Sandbox) -> None:
    endpoint = world.cloud.regions()[0].endpoints["eice-0000000a"]
    assert command.lines("env", "--hosts") == [f"127.0.0.1 {endpoint.dns_name} {endpoint.fips_dns_name}"]


def test_env_needs_the_certificate_of_the_sandbox(command: Command) -> None:
    (command.folder / "ca.pem").unlink()
    done = command("env")
    problem = f"{command.folder}/ca.pem: no such file. Use the --directory of `eic-sandbox run`."
    assert (done.status, done.err) == (1, f"eic-sandbox: {problem}\n")


@pytest.mark.parametrize("name", ["a\n192.0.2.1 example.com", "a b", "$(id)", "\x1b[31m", "a" * 254], ids=range(5))
def test_a_line_for_etc_hosts_has_names_of_hosts_only(command: Command, world: Sandbox, name: str) -> None:
    world.cloud.regions()[0].endpoints["eice-0000000a"].id = name  # as another program's answer would have it
    done = command("env", "--hosts")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "eic-sandbox: control API: an answer that this eic-sandbox does not know. Use the version that runs.\n"
    )


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"endpoints": []}', "[" * 80_000, "\x1b[31m"], ids=range(6))
def test_a_folder_with_another_sandbox_json_is_an_error(alone: Command, content: str) -> None:
    (alone.folder / "sandbox.json").write_text(content)
    done = alone("env")
    assert (done.status, done.out) == (1, "")
    problem = "not a file of `eic-sandbox run --directory`. Use another --directory."
    assert done.err == f"eic-sandbox: {alone.folder}/sandbox.json: {problem}\n"


def test_a_url_in_sandbox_json_does_not_control_the_terminal(alone: Command) -> None:
    content = json.dumps({"endpoints": {"control": "http://127.0.0.1:9/\x1b[31m\n"}})
    (alone.folder / "sandbox.json").write_text(content)
    done = alone("status")
    assert done.status == 1
    assert done.err[:-1].isprintable()
