# SPDX-License-Identifier: Apache-2.0
"""Unchanged clients of AWS and of SSH, with the sandbox as AWS and a real sshd behind its endpoint."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import paramiko
import pytest

from testbed import private_host
from tests import worlds
from tools.documents import ROOT

from . import rdp_server
from .aws_site import TIMEOUT, Site, site
from .logins import USER

pytestmark = pytest.mark.skipif(
    not private_host.is_inside(), reason="a real sshd needs root: run `make test` as root for a private host"
)
_DATA = os.urandom(300_000)


@pytest.fixture(scope="module")
def aws(tree: Path) -> Iterator[Site]:
    with site(tree) as running:
        yield running


@pytest.fixture
def tunnelled(aws: Site) -> str:
    """A configuration of OpenSSH in which the host `instance` is behind the endpoint, and a key is pushed to it."""
    proxy = shlex.join(aws.tunnel_command())
    return aws.ssh_config(
        "Host instance",
        f"User {USER}",
        f"ProxyCommand {proxy}",
        f"IdentityFile {aws.pushed_key()}",
        "IdentitiesOnly yes",
    )


@pytest.fixture
def direct(aws: Site) -> List[str]:
    """OpenSSH's options for mssh and msftp, which know the instance's public address but not the port of its sshd."""
    return ["-F", aws.ssh_config(f"Port {aws.port}")]


def test_boto3_finds_the_instance_and_its_endpoint(aws: Site) -> None:
    with aws.sdk("sts") as sts, aws.sdk("ec2") as ec2:
        assert sts.get_caller_identity()["Arn"] == worlds.arn(worlds.ALICE)
        (reservation,) = ec2.describe_instances(InstanceIds=[worlds.INSTANCE])["Reservations"]
        (instance,) = reservation["Instances"]
        vpc = {"Name": "vpc-id", "Values": [instance["VpcId"]]}
        (endpoint,) = ec2.describe_instance_connect_endpoints(Filters=[vpc])["InstanceConnectEndpoints"]
    assert (instance["PrivateIpAddress"], instance["State"]["Name"]) == (worlds.ADDRESS, "running")
    assert (endpoint["InstanceConnectEndpointId"], endpoint["State"]) == (worlds.ENDPOINT, "create-complete")


def test_mssh_logs_in(aws: Site, direct: List[str]) -> None:
    done = aws.run("mssh", *direct, f"{USER}@{worlds.INSTANCE}", "whoami")
    assert (done.returncode, done.stdout) == (0, f"{USER}\n"), done.stderr


def test_mssh_of_a_user_without_the_permission_says_why(aws: Site, direct: List[str]) -> None:
    done = aws.run("mssh", *direct, f"{USER}@{worlds.INSTANCE}", "whoami", user=worlds.NO_KEYS)
    assert done.returncode == 1
    assert done.stdout.startswith("Error while pushing the public key:\nAn error occurred (AccessDeniedException)")
    assert f"{worlds.arn(worlds.NO_KEYS)} is not authorized to perform" in done.stdout


def test_msftp_copies_a_file(aws: Site, direct: List[str], tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(_DATA)
    (tmp_path / "batch").write_text(f"put {tmp_path}/sent msftp\nget msftp {tmp_path}/back\n")
    done = aws.run("msftp", *direct, "-b", f"{tmp_path}/batch", f"{USER}@{worlds.INSTANCE}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back").read_bytes() == _DATA


def test_ssh_logs_in_through_a_tunnel_as_a_proxy_command(aws: Site, tunnelled: str) -> None:
    done = aws.run("ssh", "-F", tunnelled, "instance", "id -un; exit 3")
    assert (done.returncode, done.stdout) == (3, f"{USER}\n"), done.stderr


def test_ssh_is_refused_without_the_permission_to_open_tunnels(aws: Site, tunnelled: str) -> None:
    done = aws.run("ssh", "-F", tunnelled, "instance", "id -un", user=worlds.NO_TUNNELS)
    assert (done.returncode, done.stdout) == (255, "")
    assert "not authorized to perform: ec2-instance-connect:OpenTunnel" in done.stderr


def _sftp(config: str, folder: Path) -> List[List[str]]:
    (folder / "batch").write_text(f"put {folder}/sent copy\nget copy {folder}/back\n")
    return [["sftp", "-F", config, "-b", f"{folder}/batch", "instance"]]


def _scp(config: str, folder: Path) -> List[List[str]]:
    scp = ["scp", "-F", config]
    return [[*scp, f"{folder}/sent", "instance:copy"], [*scp, "instance:copy", f"{folder}/back"]]


def _rsync(config: str, folder: Path) -> List[List[str]]:
    rsync = ["rsync", "--rsh", f"ssh -F {config}"]
    return [[*rsync, f"{folder}/sent", "instance:copy"], [*rsync, "instance:copy", f"{folder}/back"]]


_COPIES: Dict[str, Callable[[str, Path], List[List[str]]]] = {"sftp": _sftp, "scp": _scp, "rsync": _rsync}


@pytest.mark.parametrize("program", _COPIES)
def test_file_is_copied_through_a_tunnel_and_back(aws: Site, tunnelled: str, program: str, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(_DATA)
    for command in _COPIES[program](tunnelled, tmp_path):
        done = aws.run(*command)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "back").read_bytes() == _DATA


def test_paramiko_logs_in_through_a_tunnel(aws: Site) -> None:
    key = paramiko.Ed25519Key.from_private_key_file(aws.pushed_key())
    with aws.tunnel() as port, paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", port, USER, pkey=key, allow_agent=False, look_for_keys=False, timeout=TIMEOUT)
        _, output, _ = client.exec_command("id -un")
        assert output.read().decode() == f"{USER}\n"


def test_asyncssh_logs_in_through_a_tunnel(aws: Site) -> None:
    key = aws.pushed_key()
    python = f"{sys.prefix}-clients/bin/python"
    with aws.tunnel() as port:
        done = aws.run(python, f"{ROOT}/tests/integration/asyncssh_login.py", str(port), USER, key, "id -un")
    assert (done.returncode, done.stdout) == (0, f"{USER}\n"), done.stderr


def test_rdp_server_is_reached_through_a_tunnel(aws: Site) -> None:
    with aws.tunnel(3389) as port, socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as client:
        client.sendall(rdp_server.packet(rdp_server.REQUEST, 0, 7))
        confirm = rdp_server.packet(rdp_server.CONFIRM, 7, rdp_server.SERVER_REFERENCE)
        received = b""
        while len(received) < len(confirm) and (more := client.recv(1024)):
            received += more
    assert received == confirm
