# SPDX-License-Identifier: Apache-2.0
"""The AWS CLI, unchanged, with the machine's own sshd: shells and tunnels, and what it prints when one is refused.

Source of the texts: what the AWS CLI 2.23.6 of Debian 13 prints.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

import pytest

from testbed import waiting
from testbed.machines import aws, images
from testbed.machines.client import USER
from testbed.tunnel import Target, presigned
from tests import worlds
from tools.documents import ROOT

from .aws_cli import TIMEOUT, AwsCli, prepare, proxy
from .instances import Instance, instance
from .log_rows import Since

_SHELL = "id -un; echo $SSH_CONNECTION\n"
_SSH = ("ssh", "--instance-id", worlds.INSTANCE, "--connection-type", "eice")
_TUNNEL = ("open-tunnel", "--instance-id", worlds.INSTANCE)
_REFUSED_HANDSHAKE = "AWS_ERROR_HTTP_WEBSOCKET_UPGRADE_FAILURE"


@pytest.fixture(scope="module")
def prepared(release: str, installed_layer: Path) -> Iterator[AwsCli]:
    if release in images.WITHOUT_TUNNELS:
        pytest.skip(f"the AWS CLI of {release} opens no tunnels")
    with instance(release, installed_layer) as made:
        yield prepare(made)


@pytest.fixture
def cli(prepared: AwsCli) -> AwsCli:
    prepared.instance.healthy()
    return prepared


def _policy_says(user: str, action: str, resource: str) -> str:
    return (
        f"User: {worlds.arn(user)} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


def _ec2_arn(resource: str) -> str:
    return f"arn:aws:ec2:{worlds.REGION}:{worlds.ACCOUNT}:{resource}"


_NO_TUNNEL = _policy_says(
    worlds.NO_TUNNELS, "ec2-instance-connect:OpenTunnel", _ec2_arn(f"instance-connect-endpoint/{worlds.ENDPOINT}")
)


def test_ssh_through_an_endpoint_opens_a_shell_and_the_log_joins_it_with_the_trail(cli: AwsCli) -> None:
    since = Since(cli.instance)
    shell = cli.connect(worlds.ALICE, *_SSH, stdin=_SHELL)
    assert shell.returncode == 0, shell.stderr
    *_, user, connection = shell.stdout.splitlines()  # the first are of /etc/motd
    client, _, server, port = connection.split()
    assert (user, client, server, port) == (USER, worlds.ENDPOINT_ADDRESS, worlds.ADDRESS, "22")
    since.await_state("closed")
    cli.instance.machine.write("/root/trail.json", (cli.instance.aws.folder / "trail.json").read_text())
    row = since.only("--trail", "/root/trail.json")
    sent = [json.loads(line) for line in cli.instance.aws.command("trail").splitlines()]
    pushes = [event["requestID"] for event in sent if event["eventName"] == "SendSSHPublicKey"]
    assert row["login"]["request_ids"] == pushes[-1:]
    assert row["login"]["callers"] == [worlds.arn(worlds.ALICE)]
    assert row["trail"]["match"] == "ok", row["trail"]
    assert [event["eventName"] for event in sent[-2:]] == ["SendSSHPublicKey", "OpenTunnel"]


def test_ssh_without_an_endpoint_opens_a_shell(cli: AwsCli) -> None:
    shell = cli.connect(worlds.NO_TUNNELS, *_SSH[:-1], "direct", stdin=_SHELL)
    assert shell.returncode == 0, shell.stderr
    assert USER in shell.stdout.splitlines()


def test_pushed_key_logs_in_through_open_tunnel_as_a_proxy_command(cli: AwsCli) -> None:
    key = cli.new_key()
    pushed = cli.push(key)
    assert json.loads(pushed.stdout)["Success"] is True, pushed.stderr
    login = cli.ssh(key, *proxy("--instance-id", "%h"), f"{USER}@{worlds.INSTANCE}", "id -un")
    assert (login.returncode, login.stdout) == (0, f"{USER}\n"), login.stderr


def test_open_tunnel_forwards_a_local_port(cli: AwsCli) -> None:
    key = cli.new_key()
    with cli.listening(worlds.ALICE, 8022):
        for _ in range(2):
            cli.push(key)
            options = ["-p", "8022", "-o", f"HostKeyAlias={worlds.ADDRESS}"]
            login = cli.ssh(key, *options, f"{USER}@127.0.0.1", "id -un; exit 3")
            assert (login.returncode, login.stdout) == (3, f"{USER}\n"), login.stderr


def test_endpoint_is_created_used_described_and_deleted(cli: AwsCli) -> None:
    created = cli.run(worlds.ALICE, "ec2", "create-instance-connect-endpoint", "--subnet-id", worlds.OTHER_SUBNET)
    assert created.returncode == 0, created.stderr
    endpoint = json.loads(created.stdout)["InstanceConnectEndpoint"]
    assert endpoint["State"] == "create-in-progress"
    name = endpoint["InstanceConnectEndpointId"]

    def described() -> List[str]:
        done = cli.run(
            worlds.ALICE, "ec2", "describe-instance-connect-endpoints", "--instance-connect-endpoint-ids", name
        )
        return [one["State"] for one in json.loads(done.stdout)["InstanceConnectEndpoints"]]

    waiting.until(lambda: described() == ["create-complete"], "the endpoint is complete", TIMEOUT)
    cli.add_hosts()
    through = proxy("--private-ip-address", worlds.OTHER_ADDRESS, "--instance-connect-endpoint-id", name)
    assert "Permission denied (publickey" in cli.ssh(cli.new_key(), *through, f"{USER}@other").stderr
    deleted = cli.run(worlds.ALICE, "ec2", "delete-instance-connect-endpoint", "--instance-connect-endpoint-id", name)
    assert deleted.returncode == 0, deleted.stderr
    waiting.until(lambda: described() == ["delete-complete"], "the endpoint is deleted", TIMEOUT)
    refused = cli.run(worlds.NO_TUNNELS, "ec2", "create-instance-connect-endpoint", "--subnet-id", worlds.OTHER_SUBNET)
    assert refused.returncode == 254
    assert "(UnauthorizedOperation) when calling the CreateInstanceConnectEndpoint operation" in refused.stderr


def test_key_is_not_pushed_without_the_permission(cli: AwsCli) -> None:
    done = cli.push(cli.new_key(), user=worlds.NO_KEYS)
    assert (done.returncode, done.stdout) == (254, "")
    says = _policy_says(
        worlds.NO_KEYS, "ec2-instance-connect:SendSSHPublicKey", _ec2_arn(f"instance/{worlds.INSTANCE}")
    )
    text = "An error occurred (AccessDeniedException) when calling the SendSSHPublicKey operation"
    assert done.stderr.strip() == f"{text}: {says}"


def _refused_handshake(code: str, message: str) -> List[str]:
    return [json.dumps({"ErrorCode": code, "Message": message}), _REFUSED_HANDSHAKE]


_REFUSALS = {
    "a principal without OpenTunnel": (
        worlds.NO_TUNNELS, _TUNNEL, _refused_handshake("AccessDeniedException", _NO_TUNNEL), "AccessDeniedException",
    ),
    "another port": (
        worlds.ALICE,
        (*_TUNNEL, "--remote-port", "8080"),
        _refused_handshake(
            "InvalidParameter",
            "The specified RemotePort is not valid. Specify either 22 or 3389 as the RemotePort and retry your "
            "request.",
        ),
        "InvalidParameter",
    ),
    "an address outside of the VPC": (
        worlds.ALICE,
        ("open-tunnel", "--private-ip-address", worlds.OUTSIDE, "--instance-connect-endpoint-id", worlds.ENDPOINT),
        _refused_handshake(
            "InvalidParameter", "The specified PrivateIpAddress does not belong to the VPC vpc-0123456789abcdef0."
        ),
        "InvalidParameter",
    ),
    "a security group that does not allow it": (
        worlds.ALICE,
        ("open-tunnel", "--instance-id", worlds.CLOSED),
        ["Websocket Closure Reason: Unable to connect to target"],
        "TargetUnreachable",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", _REFUSALS)
def test_tunnel_is_refused_to(cli: AwsCli, case: str) -> None:
    user, arguments, texts, code = _REFUSALS[case]
    _assert_refused(cli.connect(user, *arguments), texts)
    assert cli.events()[-1] == f"OpenTunnel: {code}"


def _assert_refused(done: subprocess.CompletedProcess[str], texts: Sequence[str]) -> None:
    """No byte came through, and these are the texts that the AWS CLI printed."""
    assert (done.returncode, done.stdout) == (255, ""), done.stderr
    for text in texts:
        assert text in done.stderr


def test_ssh_of_a_principal_without_open_tunnel_is_refused(cli: AwsCli) -> None:
    _assert_refused(cli.connect(worlds.NO_TUNNELS, *_SSH, stdin=_SHELL), [_NO_TUNNEL, _REFUSED_HANDSHAKE])


def test_ssh_is_refused_after_the_policy_was_detached(cli: AwsCli) -> None:
    aws_side = cli.instance.aws
    aws_side.command("detach", worlds.ALICE, worlds.TUNNEL_POLICY)
    try:
        refused = cli.connect(worlds.ALICE, *_SSH, stdin=_SHELL)
    finally:
        aws_side.command("attach", worlds.ALICE, worlds.TUNNEL_POLICY)
    _assert_refused(refused, [_NO_TUNNEL.replace(worlds.NO_TUNNELS, worlds.ALICE), _REFUSED_HANDSHAKE])
    assert cli.connect(worlds.ALICE, *_SSH, stdin=_SHELL).returncode == 0


def _replay(on: Instance, *urls: str) -> List[str]:
    """What came first through a tunnel with each URL, or its refusal."""
    command = [sys.executable, "-m", "tests.instance.replay", str(on.aws.folder / "ca.pem"), aws.TUNNELS, *urls]
    done = subprocess.run(
        [*on.machine.network, *command], stdout=subprocess.PIPE, text=True, cwd=ROOT, timeout=2.0 * TIMEOUT, check=True
    )
    return done.stdout.splitlines()


def _url(cli: AwsCli, expires: int = 60) -> str:
    target = Target(f"wss://{cli.dns_name()}", worlds.ENDPOINT, worlds.ADDRESS, 22, worlds.REGION)
    return presigned(target, cli.credentials(worlds.ALICE), expires)


_CHANGES: List[Callable[[str], str]] = [
    lambda url: url.replace(worlds.ADDRESS, worlds.CLOSED_ADDRESS),
    lambda url: url.replace("remotePort=22", "remotePort=3389"),
    lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=3600"),
    lambda url: f"{url}&maxTunnelDuration=1",
    lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
]


def test_presigned_url_opens_a_tunnel_until_it_is_changed(cli: AwsCli) -> None:
    url = _url(cli)
    first, *others = _replay(cli.instance, url, *(change(url) for change in _CHANGES))
    assert first.startswith("SSH-2.0-")
    assert len(others) == len(_CHANGES)
    for refusal in others:
        assert refusal.startswith('HTTP 403: {"ErrorCode": "InvalidSignatureException"')


def test_presigned_url_opens_no_tunnel_once_it_has_expired(cli: AwsCli) -> None:
    url = _url(cli, expires=1)
    time.sleep(2.5)  # its time is in whole seconds
    (refusal,) = _replay(cli.instance, url)
    assert refusal.startswith('HTTP 403: {"ErrorCode": "ExpiredTokenException"')
