# SPDX-License-Identifier: Apache-2.0
"""The machines of the tour: a network namespace each, on a private host; and what runs on them.

    office 198.51.100.10 ---+        +--- public  10.0.1.10, on the internet 192.0.2.20
                            |  AWS   |
    cafe   203.0.113.50  ---+        +--- private 10.0.2.10

AWS is the router and runs the sandbox. Offices and cafes have a route to 192.0.2.0/24 only, and the private instance
has one to its VPC only.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Iterator, List, Sequence, Tuple

from . import journald, private_host, processes, ssh, waiting
from .journald import Journald

ROUTER = "aws"
API, VPC = "192.0.2.1", "10.0.0.0/16"
ENDPOINT = "10.0.2.200"
_INTERNET = "192.0.2.0/24"


@dataclass(frozen=True)
class Link:
    """A machine, its address, that of the router on the link to it, and where the machine has routes to."""

    name: str
    address: str
    router: str
    routes: Tuple[str, ...]


OFFICE = Link("office", "198.51.100.10/24", "198.51.100.1/24", (_INTERNET,))
CAFE = Link("cafe", "203.0.113.50/24", "203.0.113.1/24", (_INTERNET,))
PUBLIC = Link("public", "10.0.1.10/24", "10.0.1.1/24", ("default",))
PRIVATE = Link("private", "10.0.2.10/24", "10.0.2.1/24", (VPC,))
PUBLIC_ADDRESS = "192.0.2.20"


def on(machine: str, command: Sequence[str]) -> List[str]:
    """`command`, run in the network of a machine."""
    return ["nsenter", f"--net=/run/netns/{machine}", *command]


def build_network() -> None:
    """Make the machines, with their links to the router. They end with the private host."""
    _add(ROUTER)
    _run(*on(ROUTER, ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]))
    _ip(ROUTER, "addr", "add", API, "dev", "lo")
    for link in (OFFICE, CAFE, PUBLIC, PRIVATE):
        _add(link.name)
        _ip(ROUTER, "link", "add", f"to-{link.name}", "type", "veth", "peer", "name", "eth0", "netns", link.name)
        for machine, device, address in ((ROUTER, f"to-{link.name}", link.router), (link.name, "eth0", link.address)):
            _ip(machine, "addr", "add", address, "dev", device)
            _ip(machine, "link", "set", device, "up")
        for route in link.routes:
            _ip(link.name, "route", "add", route, "via", link.router.partition("/")[0])
    _ip(ROUTER, "addr", "add", f"{ENDPOINT}/24", "dev", f"to-{PRIVATE.name}")
    _ip(PUBLIC.name, "addr", "add", PUBLIC_ADDRESS, "dev", "lo")
    _ip(ROUTER, "route", "add", PUBLIC_ADDRESS, "via", PUBLIC.address.partition("/")[0])


def _add(machine: str) -> None:
    _run("ip", "netns", "add", machine)
    _ip(machine, "link", "set", "lo", "up")


def _ip(machine: str, *arguments: str) -> None:
    _run("ip", "-n", machine, *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


@contextlib.contextmanager
def sandbox(folder: str, world: str) -> Iterator[None]:
    """The sandbox with this world file, at port 80 and 443 of AWS's address; its files are in `folder`.

    Its messages are printed if the block raises RuntimeError.
    """
    options = ["--world", world, "--host", API, "--api-port", "80", "--tls-port", "443"]
    command = on(ROUTER, processes.sandbox_command(folder, *options))
    with (
        open(os.path.join(folder, "messages"), "w+", encoding="utf-8") as messages,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages, text=True) as process,
    ):
        try:
            processes.await_sandbox(process, folder)
            yield
        except RuntimeError:
            messages.seek(0)
            sys.stderr.write(messages.read())
            raise
        finally:
            process.terminate()


@contextlib.contextmanager
def instance(link: Link, tree: str, config: str, folder: str) -> Iterator[Journald]:
    """An instance: a journald, the daemon of eic-sshd and an sshd of its own at port 22. Its files are in `folder`.

    `tree` is where eic-sshd is installed, with its configuration in the file `config`. Raises RuntimeError.
    """
    os.makedirs("/run/systemd", mode=0o755, exist_ok=True)
    os.makedirs(folder, mode=0o755)
    uid = private_host.ACCOUNTS[private_host.COMMAND_USER]
    run = os.path.join(folder, "run")
    os.makedirs(run, mode=0o755)
    os.chown(run, uid, uid)
    path = os.path.join(run, "authorize.sock")
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(journald.journald("/run/systemd", on(link.name, [])))
        serve = processes.serve_command(tree, "--socket", path, "--config", config)
        daemon = subprocess.Popen(journal.command(serve, uid), env={})
        stack.callback(processes.stop, daemon)
        processes.await_socket(path, daemon)
        command = f"{tree}/usr/lib/eic-sshd/authorized-keys --socket {path} --config {config}"
        # Its standard error is the journal. It needs no /dev/log, which a container does not have.
        sshd = ["systemd-cat", "-t", "sshd", "/usr/sbin/sshd", "-D", "-e", "-f", _sshd_config(folder, command)]
        server = subprocess.Popen(journal.command(sshd), stdin=subprocess.DEVNULL)
        stack.callback(processes.stop, server)
        _await_ssh(link, server)
        yield journal


def _sshd_config(folder: str, command: str) -> str:
    host_key = os.path.join(folder, "host_key")
    ssh.keygen(host_key)
    path = os.path.join(folder, "sshd_config")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"HostKey {host_key}\n"
            "PidFile none\n"
            "UsePAM no\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "AuthorizedKeysFile none\n"
            f"AuthorizedKeysCommand {command} --token U=%U %u %f\n"
            f"AuthorizedKeysCommandUser {private_host.COMMAND_USER}\n"
        )
    return path


def _await_ssh(link: Link, server: subprocess.Popen[bytes]) -> None:
    listening = on(link.name, ["ss", "-Hltn", "sport = :22"])

    def ready() -> bool:
        if server.poll() is not None:
            raise RuntimeError(f"sshd of {link.name} ended with status {server.returncode}")
        return bool(subprocess.run(listening, capture_output=True, check=True).stdout)

    waiting.until(ready, f"sshd of {link.name} listens", pause=0.1)


def add_hosts(lines: Sequence[str]) -> None:
    """Add lines to /etc/hosts of the private host."""
    path = os.path.join(private_host.HOME, "hosts")
    with open("/etc/hosts", encoding="utf-8") as before, open(path, "w", encoding="utf-8") as after:
        after.write("\n".join([before.read(), *lines, ""]))
    _run("mount", "--bind", path, "/etc/hosts")
