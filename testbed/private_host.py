# SPDX-License-Identifier: Apache-2.0
"""Runs a command on a private copy of this machine's accounts: `python3 -m testbed.private_host COMMAND...`

In mount and PID namespaces of its own, with a /run of its own and accounts of its own in /etc/passwd, in place of those
of the same names that this machine may have. When the command ends, is interrupted or killed, the kernel takes all of
it away, processes included; the machine's own sshd, accounts and files are never touched. Needs root, since sshd runs
only an AuthorizedKeysCommand that root owns.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import Dict, List, Sequence

INSIDE = "EIC_SSHD_PRIVATE_HOST"
HOME = "/run/eic-sshd-private"
COMMAND_USER = "eic-sshd"
# uids of the top of the range that Debian and Red Hat leave to administrators
ACCOUNTS = {COMMAND_USER: 59980, "ec2-user": 59981, "deploy": 59982}


class Unable(Exception):
    """No private host can be made here; says why."""


def is_inside() -> bool:
    """Whether this process runs on a private host."""
    return os.environ.get(INSIDE) == "1"


def run(command: List[str], network: bool = False) -> int:
    """Run `command` on a private host, on a loopback `network` of its own if asked; its exit status. Raises Unable."""
    if os.geteuid() != 0:
        raise Unable(
            "this must be run as root: sshd runs an AuthorizedKeysCommand only if root owns it and every folder above "
            "it. Try: sudo make demo"
        )
    if shutil.which("unshare") is None:
        raise Unable("unshare is missing: install util-linux")
    # Should this process be killed, unshare dies with it, and with unshare all that runs in the namespaces.
    mortal = ["setpriv", "--pdeathsig", "KILL"]
    namespaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if network:
        namespaces.append("--net")
    probe = subprocess.run([*mortal, *namespaces, "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        raise Unable(
            f"root cannot make namespaces here ({probe.stderr.strip()}): a container must be allowed to, and / must be "
            "a mount point, which it is not in a plain chroot"
        )
    inside = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--inside", *command]
    process = subprocess.Popen([*mortal, *namespaces, *inside])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: process.kill())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal interrupted the command too: it ends by itself, and the namespaces with it


def prepare() -> None:
    """Within the namespaces: a fresh /run, the accounts, sshd's privilege separation folder."""
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
    """`text` of passwd(5) or a file like it with the lines `ours`, in place of lines that begin with the same names.

    They come first, since the first line with a name counts, and the first with a number.
    """
    lines = [line.encode() for line in ours]
    names = {line.partition(b":")[0] for line in lines}
    lines += [line for line in text.split(b"\n") if line and line.partition(b":")[0] not in names]
    return b"".join(line + b"\n" for line in lines)


def bring_up_loopback(*addresses: str) -> None:
    """In a network namespace of its own: loopback works, and has these addresses too."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in addresses:
        subprocess.run(["ip", "addr", "add", address, "dev", "lo"], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main(arguments: List[str]) -> int:
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
    except Unable as problem:
        print(f"eic-sshd: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
