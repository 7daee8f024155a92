# SPDX-License-Identifier: Apache-2.0
"""A real sshd with eic-sshd, behind the endpoint of a sandbox with a world, for clients on the same machine."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

from testbed import aws_sdk, processes, ssh
from testbed.private_host import HOME
from testbed.sshd import Sshd
from tests import worlds
from tools.documents import ROOT

from . import rdp_server
from .logins import USER

TIMEOUT = 60  # seconds of one command
_CLIENTS = f"{sys.prefix}-clients/bin"


@dataclass(frozen=True)
class Site:
    """`endpoints` are the URLs of the sandbox whose files are below `folder`; `port` is that of sshd itself."""

    folder: Path
    endpoints: Dict[str, str]
    port: int

    def environment(self, user: str = worlds.ALICE) -> Dict[str, str]:
        """What `eic-sandbox env` prints for a user of the world, and a PATH with the clients."""
        shown = self._sandbox("env", "--as", user).splitlines()
        exported = dict(line[len("export ") :].split("=", 1) for line in shown if line.startswith("export "))
        found = {name: shlex.split(value)[0] for name, value in exported.items()}
        return {**found, "PATH": f"{_CLIENTS}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder)}

    def _sandbox(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "eic_sandbox", *arguments, "--directory", str(self.folder / "sandbox")]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True).stdout

    def run(self, *command: str, user: str = worlds.ALICE) -> subprocess.CompletedProcess[str]:
        """Run a client as a user of the world; whatever its end."""
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=self.environment(user), cwd=ROOT,
            timeout=TIMEOUT, check=False,
        )  # fmt: skip

    @contextlib.contextmanager
    def sdk(self, service: str) -> Iterator[Any]:
        """boto3's client of a service, which has no types."""
        env = self.environment()
        key_id, secret = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        client = aws_sdk.client(service, env["AWS_ENDPOINT_URL"], env["AWS_REGION"], key_id, secret)
        with contextlib.closing(client):
            yield client

    def pushed_key(self) -> str:
        """The path of a new private key, pushed with boto3."""
        path = str(self.folder / f"key{len(list(self.folder.glob('key*')))}")
        line = ssh.keygen(path)
        with self.sdk("ec2-instance-connect") as client:
            answer = client.send_ssh_public_key(InstanceId=worlds.INSTANCE, InstanceOSUser=USER, SSHPublicKey=line)
        assert answer["Success"] is True
        return path

    def tunnel_command(self, remote_port: int = 22) -> List[str]:
        """The testbed's client for tunnels, as OpenSSH's ProxyCommand."""
        hosts = [line.split() for line in self._sandbox("env", "--hosts").splitlines()]
        (name,) = (words[1] for words in hosts if words[1].startswith(worlds.ENDPOINT))
        return [
            sys.executable, "-m", "testbed.tunnel_client", "--url", f"wss://{name}",
            "--connect", self.endpoints["tls"].partition("//")[2], "--ca", str(self.folder / "sandbox/ca.pem"),
            "--endpoint-id", worlds.ENDPOINT, "--address", worlds.ADDRESS, "--port", str(remote_port),
            "--region", worlds.REGION,
        ]  # fmt: skip

    def ssh_config(self, *lines: str) -> str:
        """The path of a new configuration for OpenSSH with these lines, which asks nobody anything."""
        path = self.folder / f"ssh_config{len(list(self.folder.glob('ssh_config*')))}"
        common = ["BatchMode yes", "StrictHostKeyChecking no", f"UserKnownHostsFile {self.folder}/known_hosts"]
        path.write_text("".join(f"{line}\n" for line in ("LogLevel ERROR", "IdentityAgent none", *common, *lines)))
        return str(path)

    @contextlib.contextmanager
    def tunnel(self, remote_port: int = 22) -> Iterator[int]:
        """A local port, forwarded through a tunnel."""
        command = [*self.tunnel_command(remote_port), "--listen", "127.0.0.1:0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=self.environment(), cwd=ROOT) as process:
            try:
                assert process.stderr is not None
                yield int(process.stderr.readline().rpartition(":")[2])
            finally:
                process.terminate()


@contextlib.contextmanager
def site(tree: Path) -> Iterator[Site]:
    """A site that runs until the end of the block."""
    folder = Path(HOME) / "clients"
    folder.mkdir(mode=0o755)
    command: Sequence[str] = (
        f"{tree}/usr/lib/eic-sshd/authorized-keys", "--socket", "none", "--config", f"{folder}/sandbox/eic-sshd.conf",
    )  # fmt: skip
    sftp = "Subsystem sftp internal-sftp"
    with Sshd(str(folder / "sshd"), " ".join(command), [sftp]) as sshd, rdp_server.serving() as rdp:
        servers = {22: f"127.0.0.1:{sshd.port}", 3389: f"127.0.0.1:{rdp}"}
        world = folder / "world.yaml"
        world.write_text(json.dumps(worlds.world(servers=servers, public_ip="127.0.0.1")))
        with processes.sandbox(str(folder / "sandbox"), "--world", str(world)) as status:
            yield Site(folder, dict(status.endpoints), sshd.port)
