# SPDX-License-Identifier: Apache-2.0
"""`eic-sandbox run --world`."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import List

import pytest
import yaml

from eic_sandbox import cli
from testbed import processes
from tests.sandbox.world.worlds import EVERY_KEY, SMALL

USE_ADDRESS = "Use one of this machine, such as 127.0.0.1."
WITH_WORLD = "cannot be used with --world. Set it in the world file."
WARNED = SMALL.replace('Resource: "*"', 'Resource: "*", Condition: {StringEquals: {"aws:PrincipalOrgID": o-1}}')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("accounts: [", "world.yaml:1: not YAML (while parsing a flow node: expected the node content, but"),
        ("a: \x1b[31m", "world.yaml:1: not YAML (the character U+001B is not allowed). Correct the line."),
        ('"\\e[31m": x', "world.yaml:1: the file: a key is not 1 to 512 printable characters ('\\x1b[31m'). Use"),
        (EVERY_KEY.replace("readers.json", "/etc/shadow"), "world.yaml:14: policies.readers.file: a file outside the"),
        (EVERY_KEY.replace("readers.json", "absent"), "world.yaml:14: policies.readers.file: cannot be read (No such"),
        ("a: &a [*a, *a]", "world.yaml:1: more than 40 levels, with aliases. Use fewer."),
    ],
    ids=range(6),
)  # fmt: skip
def test_a_malformed_world_is_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (tmp_path / "world.yaml").write_text(content)
    assert cli.main(["run", "--world", str(tmp_path / "world.yaml")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"eic-sandbox: {tmp_path}/{message}")
    assert err[:-1].isprintable()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--world", "/nonexistent"], "/nonexistent: No such file or directory. Use another path."),
        (["--world", "/"], "/: Is a directory. Use another path."),
        (["--world", "/x", "--region", "us-west-2"], f"--region: {WITH_WORLD}"),
        (["--world", "/x", "--instance-id", ""], f"--instance-id: {WITH_WORLD}"),
        (["--world", "/x", "--window", "0"], f"--window: {WITH_WORLD}"),
        (["--host", "localhost"], f"--host: not an IP address ('localhost'). {USE_ADDRESS}"),
        (["--tls-host", "x"], f"--tls-host: not an IP address ('x'). {USE_ADDRESS}"),
        (["--domain", "a\nb"], "--domain: invalid ('a\\nb'). Use lower-case letters, digits, dots and hyphens."),
        (["--tls-port", "65536"], "--tls-port: out of range (65536). Use 1 to 65535, or 0 for any free port."),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], arguments: List[str], message: str
) -> None:
    assert cli.main(["run", *arguments]) == 1
    assert capsys.readouterr().err == f"eic-sandbox: {message}\n"


WITH_INSTANCE = WARNED.replace(
    "us-west-2:",
    "us-west-2: {vpcs: {vpc-11111111: {cidrs: 10.0.0.0/16, subnets: {subnet-11111111: {cidr: 10.0.0.0/24}}}},"
    " instances: {i-11111111: {subnet: subnet-11111111, private_ip: 10.0.0.9}}}",
)


@pytest.mark.parametrize("world", [WITH_INSTANCE, json.dumps(yaml.safe_load(WITH_INSTANCE))], ids=["YAML", "JSON"])
def test_a_world_runs_and_its_author_is_warned(tmp_path: Path, world: str) -> None:
    folder, file = tmp_path / "sandbox", tmp_path / "world"
    file.write_text(world)
    command = processes.sandbox_command(str(folder), "--world", str(file))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        processes.await_sandbox(process, str(folder))
        assert cli.main(["env", "--directory", str(folder), "--as", "alice"]) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == (
            "eic-sandbox: policy everything: no request in the sandbox has the condition keys "
            "aws:PrincipalOrgID. They count as absent.\n"
        )
    status = json.loads((folder / "sandbox.json").read_text())
    assert [one["id"] for one in status["instances"]] == ["i-11111111"]
