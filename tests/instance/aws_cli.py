# SPDX-License-Identifier: Apache-2.0
"""The AWS CLI on a machine whose AWS side is a sandbox with a world: what a person has there who is new to both."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import time
from dataclasses import dataclass
from typing import Iterator, List

from botocore.credentials import Credentials

from testbed import waiting
from testbed.machines import aws, images, machine
from testbed.machines.client import USER
from tests import worlds

from .instances import Instance

TIMEOUT = 90  # seconds of one command; the AWS CLI waits for ever if it gets no answer to a handshake
_ADDRESSES = (worlds.ADDRESS, worlds.CLOSED_ADDRESS, worlds.ENDPOINT_ADDRESS)
_OTHER_ADDRESSES = (worlds.OTHER_ADDRESS, worlds.OTHER_ENDPOINT_ADDRESS)


@dataclass(frozen=True)
class AwsCli:
    """Runs `aws` as a user of the world, with nothing but what `eic-sandbox env` prints."""

    instance: Instance

    def script(self, user: str) -> str:
        """The start of a shell script: the variables, and no wait without end."""
        return f". {_environment(user)}; PYTHONUNBUFFERED=1 exec timeout {TIMEOUT} "

    def run(self, user: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`aws ARGUMENTS`; whatever its end."""
        script = f'{self.script(user)}aws "$@"'
        return self.instance.machine.run(
            "sh", "-euc", script, "aws", *arguments, check=False, stdin=stdin, timeout=2.0 * TIMEOUT
        )

    def connect(self, user: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`aws ec2-instance-connect ARGUMENTS`."""
        return self.run(user, "ec2-instance-connect", *arguments, stdin=stdin)

    def new_key(self) -> str:
        """The path on the machine of a new private key."""
        path = f"/root/key-{time.monotonic_ns()}"
        self.instance.machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)
        return path

    def push(self, key: str, user: str = worlds.ALICE) -> subprocess.CompletedProcess[str]:
        """`aws ec2-instance-connect send-ssh-public-key` for a private key on the machine."""
        arguments = ["--instance-id", worlds.INSTANCE, "--instance-os-user", USER]
        return self.connect(user, "send-ssh-public-key", *arguments, "--ssh-public-key", f"file://{key}.pub")

    def ssh(self, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """OpenSSH on the machine, with Alice's variables for `proxy`."""
        script = f'{self.script(worlds.ALICE)}ssh -o BatchMode=yes -i {key} "$@"'
        return self.instance.machine.run("sh", "-euc", script, "ssh", *arguments, check=False, timeout=2.0 * TIMEOUT)

    def dns_name(self) -> str:
        """The host name of the world's endpoint."""
        (line,) = (one for one in self.instance.aws.command("env", "--hosts").splitlines() if worlds.ENDPOINT in one)
        return line.split()[1]

    def credentials(self, user: str) -> Credentials:
        """The access key of a user."""
        lines = self.instance.machine.read(_environment(user)).splitlines()
        found = dict(line[len("export ") :].split("=", 1) for line in lines if line.startswith("export "))
        return Credentials(found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"])

    def add_hosts(self) -> None:
        """Add the names of the endpoints that there are now to the machine's hosts file."""
        self.instance.machine.write("/etc/hosts", f"127.0.0.1 localhost\n{self.instance.aws.command('env', '--hosts')}")

    def events(self) -> List[str]:
        """The names of the trail's events that were refused, and why, the oldest first."""
        records = map(json.loads, self.instance.aws.command("trail").splitlines())
        return [f"{record['eventName']}: {record['errorCode']}" for record in records if "errorCode" in record]

    @contextlib.contextmanager
    def listening(self, user: str, port: int) -> Iterator[None]:
        """While the AWS CLI forwards a local port to the instance's sshd."""
        arguments = ["--instance-id", worlds.INSTANCE, "--local-port", str(port)]
        script = f"{self.script(user)}aws ec2-instance-connect open-tunnel {shlex.join(arguments)}"
        at = self.instance.machine
        at.run("systemd-run", "--quiet", "--collect", "--unit=tunnel", "sh", "-euc", script)
        try:
            ready = f"Listening for connections on port {port}."
            waiting.until(lambda: ready in at.run("journalctl", "-o", "cat", "-u", "tunnel").stdout, ready, TIMEOUT)
            yield
        finally:
            at.run("systemctl", "stop", "tunnel")


def proxy(*arguments: str) -> List[str]:
    """OpenSSH's options for a tunnel of the AWS CLI."""
    command = ["aws", "ec2-instance-connect", "open-tunnel", *arguments]
    return ["-o", f"ProxyCommand={' '.join(command)}", "-o", f"HostKeyAlias={worlds.ADDRESS}"]


def _environment(user: str) -> str:
    return f"/root/{user}.env"


def prepare(instance: Instance) -> AwsCli:
    """Install the AWS CLI, and give the machine the sandbox's addresses, variables, hosts entries and CA."""
    at = instance.machine
    instance.apt("install", "--no-install-recommends", *images.AWS_CLI)
    for address in (*_ADDRESSES, *_OTHER_ADDRESSES, aws.TUNNELS):
        subprocess.run([*at.network, "ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    instance.aws.stop()
    world = at.folder / "world.yaml"
    world.write_text(json.dumps(worlds.world(imds=f"{machine.IMDS}:80")))
    instance.aws.world = str(world)
    instance.aws.start()
    at.write(f"{instance.aws.folder}/ca.pem", (instance.aws.folder / "ca.pem").read_text())
    for user in (worlds.ALICE, worlds.NO_TUNNELS, worlds.NO_KEYS):
        at.write(_environment(user), instance.aws.command("env", "--as", user))
    # A person compares the host key at the first login and types yes.
    host_key = at.read("/etc/ssh/ssh_host_ed25519_key.pub")
    at.write("/etc/ssh/ssh_known_hosts", f"{','.join(_ADDRESSES[:2])} {host_key}")
    cli = AwsCli(instance)
    cli.add_hosts()
    return cli
