# SPDX-License-Identifier: Apache-2.0
"""Runs a command on a private copy of this machine's accounts.

    python3 -m testbed.private_host COMMAND...

The command runs in mount and PID namespaces, with a /run of its own. The accounts in ACCOUNTS are added to /etc/passwd
there, and replace accounts of the same names. When the command ends, is interrupted or killed, the kernel removes all
of it, processes included. The machine's own sshd, accounts and files do not change. It needs root, since sshd runs an
AuthorizedKeysCommand only if root owns it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Dict, List, Sequence

from . import namespaces
from .namespaces import Unsupported

INSIDE = "EIC_SSHD_PRIVATE_HOST"
HOME = "/run/eic-sshd-private"
COMMAND_USER = "eic-sshd"
# The top of the range that Debian and Red Hat reserve for administrators.
ACCOUNTS = {COMMAND_USER: 59980, "ec2-user": 59981, "deploy": 59982}
_NEEDS_ROOT = (
    "this must be run as root: sshd runs an AuthorizedKeysCommand only if root owns it and every folder above it. "
    "Try: sudo make demo"
)


def is_inside() -> bool:
    """Whether this process runs on a private host."""
    return os.environ.get(INSIDE) == "1"


def run(command: Sequence[str], network: bool = False) -> int:
    """Run `command` on a private host, with `network` in a network namespace. Returns its exit status.

    Raises Unsupported where no private host can be made.
    """
    if os.geteuid() != 0:
        raise Unsupported(_NEEDS_ROOT)
    namespaces.require(network)
    inside = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--inside", *command]
    return namespaces.run(inside, network)


def prepare() -> None:
    """In the namespaces: mount an empty /run, add the accounts, make sshd's privilege separation folder."""
    _mount("-t", "tmpfs", "-o", "mode=755,nosuid,nodev", "tmpfs", "/run")
    os.makedirs("/run/sshd", mode=0o755)
    os.makedirs(HOME, mode=0o755)
    lines: Dict[str, List[str]] = {"passwd": [], "group": [], "shadow": [], "gshadow": []}
    for name, uid in ACCOUNTS.items():
        home = os.path.join(HOME, "home", name)
        os.makedirs(home, mode=0o755)
        os.chown(home, uid, uid)
        lines["passwd"].append(f"{name}:x:{uid}:{uid}::{home}:/bin/sh")
        lines["group"].append(f"{name}:x:{uid}:")
        lines["shadow"].append(f"{name}:*:19000:0:99999:7:::")
        lines["gshadow"].append(f"{name}:*::")
    for file, ours in lines.items():
        original, copy = f"/etc/{file}", os.path.join(HOME, file)
        if not os.path.exists(original):  # a distribution without shadow passwords for groups
            continue
        shutil.copy2(original, copy)
        with open(original, "rb") as before, open(copy, "wb") as after:
            after.write(with_accounts(before.read(), ours))
        _mount("--bind", copy, original)


def with_accounts(text: bytes, ours: Sequence[str]) -> bytes:
    """`text` of passwd(5) or a similar file with the lines `ours` first, and without other lines of the same names.

    The first line with a name or a number is the one that counts.
    """
    lines = [line.encode() for line in ours]
    names = {line.partition(b":")[0] for line in lines}
    lines += [line for line in text.split(b"\n") if line and line.partition(b":")[0] not in names]
    return b"".join(line + b"\n" for line in lines)


def bring_up_loopback(*addresses: str) -> None:
    """In a network namespace: enable loopback, with these addresses beside its own."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in addresses:
        subprocess.run(["ip", "addr", "add", address, "dev", "lo"], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main(arguments: List[str]) -> int:
    """Parse the command line and run its command. Returns the exit status."""
    if arguments[:1] == ["--inside"]:
        prepare()
        os.environ[INSIDE] = "1"
        os.execvp(arguments[1], arguments[1:])
    network = arguments[:1] == ["--net"]
    if network:
        arguments = arguments[1:]
    if not arguments:
        print(f"usage: python3 -m {__spec__.name if __spec__ else __name__} [--net] COMMAND...", file=sys.stderr)
        return 2
    try:
        return run(arguments, network)
    except Unsupported as problem:
        print(f"eic-sshd: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
