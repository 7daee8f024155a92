# SPDX-License-Identifier: Apache-2.0
"""`make demo ARGS=--tour`: who may push a key, and who may open a tunnel, as a story of seven steps.

Every command that is shown is run, on the machine that its prompt names. A step with another result ends the tour.
After a change, `make recording` draws docs/tour.svg again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Dict, Mapping

from eic_sandbox.cli.environment import hosts

from . import journald, private_host, ssh, tour_machines
from .tour_machines import CAFE, ENDPOINT, OFFICE, PRIVATE, PUBLIC, ROUTER, on
from .tour_shell import COLUMNS, Machine, Unexpected, step

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_WORLD = os.path.join("testbed", "tour.yaml")
_FOLDER = os.path.join(private_host.HOME, "tour")
_TREE = os.path.join(_FOLDER, "tree")
_SANDBOX = os.path.join(_FOLDER, "sandbox")
_BIN = os.path.join(_FOLDER, "bin")
_PUBLIC_ID, _PRIVATE_ID = "i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2"
_ENDPOINT_ID = "eice-0123456789abcdef0"
_PUBLIC_LOGIN, _PRIVATE_LOGIN = f"ec2-user@{tour_machines.PUBLIC_ADDRESS}", "ec2-user@10.0.2.10"
_MAX_DURATION = 3  # seconds
_REQUEST_ID = r"RequestId: [0-9a-f-]{36}"


@dataclass(frozen=True)
class _Machines:
    """Alice's computer, first in the office and then in the cafe; AWS's own; the two instances."""

    office: Machine
    cafe: Machine
    aws: Machine
    public: Machine
    private: Machine


def run() -> None:
    """Run the tour. Raises RuntimeError, SubprocessError."""
    problem = journald.unsupported()
    if problem is not None:
        raise Unexpected(f"it needs a journald: {problem}. Install systemd, and run systemd-machine-id-setup as root.")
    begun = time.monotonic()
    step(
        "The world: a user, two instances, an endpoint",
        f"{_WORLD} describes them. Each prompt names a machine with a network of its own (ip-netns(8)). "
        "push and open-tunnel are testbed/push.py and testbed/tunnel_client.py.",
    )
    environment = _prepare()
    with contextlib.ExitStack() as stack:
        stack.enter_context(tour_machines.sandbox(_SANDBOX, os.path.join(_SANDBOX, os.path.basename(_WORLD))))
        _write_commands()
        machines = _start(stack, environment)
        for show in (_no_permission, _push, _wrong_user, _wrong_address, _private_instance, _time_over, _log):
            show(machines)
    step(f"The tour took {time.monotonic() - begun:.0f} s. Everything is removed.")


def _prepare() -> Mapping[str, str]:
    """Install eic-sshd, make the network and alice's key. Returns the environment of a machine."""
    for folder in (_BIN, _SANDBOX):
        os.makedirs(folder, mode=0o755)
    subprocess.run(["make", "-s", "-C", _ROOT, "install", f"DESTDIR={_TREE}"], check=True)
    tour_machines.build_network()
    ssh.keygen(os.path.join(_SANDBOX, "key"))
    shutil.copy(os.path.join(_ROOT, _WORLD), _SANDBOX)
    path = f"{_BIN}:{_TREE}/usr/bin:{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "COLUMNS": str(COLUMNS - 6), "TERM": "dumb", "HOME": _FOLDER, "LC_ALL": "C.UTF-8"}


def _write_commands() -> None:
    """Write the commands that are no program of this machine, and resolve the endpoint's name."""
    with open(os.path.join(_SANDBOX, "sandbox.json"), encoding="utf-8") as file:
        status = json.load(file)
    tour_machines.add_hosts(hosts(status))
    name = status["instance_connect_endpoints"][0]["dns_name"]
    config = os.path.join(_FOLDER, "ssh_config")
    with open(config, "w", encoding="utf-8") as file:
        file.write("BatchMode yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n")
        file.write("IdentitiesOnly yes\nIdentityAgent none\nIdentityFile key\nConnectTimeout 20\n")
    python = f"PYTHONPATH={_ROOT} exec {sys.executable} -m"
    endpoint = f'--url wss://{name} --endpoint-id {_ENDPOINT_ID} --region "$AWS_REGION"'
    commands: Dict[str, str] = {
        "eic-sandbox": f"{python} eic_sandbox",
        "push": f"{python} testbed.push",
        "open-tunnel": f"{python} testbed.tunnel_client {endpoint}",
        "ssh": f"exec {shutil.which('ssh') or '/usr/bin/ssh'} -F {config}",
    }
    for command, runs in commands.items():
        with open(os.path.join(_BIN, command), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o755)
            file.write(f'#!/bin/sh\n{runs} "$@"\n')


def _start(stack: contextlib.ExitStack, environment: Mapping[str, str]) -> _Machines:
    """Start the instances."""
    instances = []
    for link, instance_id in ((PUBLIC, _PUBLIC_ID), (PRIVATE, _PRIVATE_ID)):
        config = os.path.join(_SANDBOX, "instances", f"{instance_id}.conf")
        folder = os.path.join(_FOLDER, link.name)
        journal = stack.enter_context(tour_machines.instance(link, _TREE, config, folder))
        instances.append(Machine(f"{link.name}#", journal.command([]), environment, _SANDBOX))
    office = Machine("office$", on(OFFICE.name, []), environment, _SANDBOX)
    alice = office.evaluate('eval "$(eic-sandbox env --as alice)"')
    return _Machines(
        Machine("office$", on(OFFICE.name, []), alice, _SANDBOX),
        Machine("cafe$", on(CAFE.name, []), alice, _SANDBOX),
        Machine("aws#", on(ROUTER, []), environment, _SANDBOX),
        *instances,
    )


def _no_permission(machines: _Machines) -> None:
    step("1. Without a permission, no key is pushed", "IAM denies what no policy allows. Alice has no policy yet.")
    machines.office.fail(f"push {_PUBLIC_ID} ec2-user key.pub", "AccessDenied.*no identity-based policy allows")
    machines.office.fail(f"ssh {_PUBLIC_LOGIN} id", r"Permission denied \(publickey\)")


def _push(machines: _Machines) -> None:
    step(
        "2. With a policy, alice pushes a key and logs in",
        "The key is on no disk of the instance: sshd gets it from eic-sshd, and eic-sshd from IMDS, for 60 seconds.",
    )
    machines.aws.succeed("grep -A 9 ' push:' tour.yaml", "ec2:osuser: ec2-user(.|\n)*aws:SourceIp: 198.51.100.0/24")
    machines.aws.succeed("eic-sandbox attach alice push", '"attached": "push"')
    machines.office.succeed(f"push {_PUBLIC_ID} ec2-user key.pub", _REQUEST_ID)
    machines.office.succeed(f"ssh {_PUBLIC_LOGIN} id", "uid=[0-9]+\\(ec2-user\\)")


def _wrong_user(machines: _Machines) -> None:
    step("3. IAM denies another OS user", "The policy has the condition ec2:osuser = ec2-user.")
    machines.office.fail(f"push {_PUBLIC_ID} root key.pub", "AccessDenied.*no identity-based policy allows")


def _wrong_address(machines: _Machines) -> None:
    step(
        "4. IAM denies another address",
        "The policy has the condition aws:SourceIp = 198.51.100.0/24, and the cafe is 203.0.113.50: "
        "the same user, key and command are refused.",
    )
    machines.cafe.fail(f"push {_PUBLIC_ID} ec2-user key.pub", "AccessDenied.*no identity-based policy allows")
    can = f"eic-sandbox can alice ec2-instance-connect:SendSSHPublicKey {_PUBLIC_ID} \\\n"
    machines.aws.succeed(f"{can}--context ec2:osuser=ec2-user --context aws:SourceIp=198.51.100.10", "^yes: ")


def _private_instance(machines: _Machines) -> None:
    step(
        "5. The private instance is reached through the endpoint only",
        "The office has no route to it. A tunnel takes a permission of its own.",
    )
    tunnelled = f"ssh -o ProxyCommand='open-tunnel --address %h' {_PRIVATE_LOGIN} 'echo $SSH_CONNECTION'"
    machines.office.succeed(f"push {_PRIVATE_ID} ec2-user key.pub", _REQUEST_ID)
    machines.office.fail(f"ssh {_PRIVATE_LOGIN} id", "Network is unreachable")
    machines.office.fail(tunnelled, "AccessDeniedException.*OpenTunnel")
    machines.aws.succeed("grep -A 9 ' tunnel:' tour.yaml", "remotePort: 22(.|\n)*privateIpAddress: 10.0.2.0/24")
    machines.aws.succeed("eic-sandbox attach alice tunnel", '"attached": "tunnel"')
    machines.office.succeed(tunnelled, f"{ENDPOINT} [0-9]+ 10.0.2.10 22")


def _time_over(machines: _Machines) -> None:
    step(
        "6. The tunnel ends on time",
        f"The endpoint closes it after {_MAX_DURATION} seconds, whatever runs in it.",
    )
    proxy = f"open-tunnel --address %h --max-duration {_MAX_DURATION}"
    count = "for n in $(seq 60); do echo second $n; sleep 1; done"
    command = f"ssh -o ProxyCommand='{proxy}' {_PRIVATE_LOGIN} \\\n'{count}'"
    took = machines.office.fail(command, "maximum duration")
    if took < _MAX_DURATION:
        raise Unexpected(f"the tunnel ended after {took:.1f} s, not {_MAX_DURATION}")


def _log(machines: _Machines) -> None:
    step(
        "7. Each instance knows who logged in",
        "eic-sshd log joins sshd's lines, eic-sshd's decisions and AWS's trail, by process and request id. (LENGTH is "
        "lost: no PAM writes when a session ends, since a container may have none that works.)",
    )
    for machine, instance_id, expected in (
        (machines.public, _PUBLIC_ID, "login: pushed key(.|\n)*in the trail(.|\n)*refused by AWS"),
        (machines.private, _PRIVATE_ID, "login: pushed key(.|\n)*in the trail"),
    ):
        machine.succeed(f"eic-sshd log --trail trail.json --config instances/{instance_id}.conf", expected)
