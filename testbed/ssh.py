# SPDX-License-Identifier: Apache-2.0
"""The ssh client: key pairs, the command line, logins."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import List, Optional, Sequence

_LOGIN_TIMEOUT = 90  # seconds; a login on a busy machine takes a few
# Nothing of the caller's own configuration is used, and nobody is asked for anything.
_OPTIONS = (
    "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
    "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20",
)  # fmt: skip


@dataclass(frozen=True)
class Login:
    """The result of one `ssh`; `seconds` is its wall time."""

    ok: bool
    output: str
    errors: str
    seconds: float


def keygen(path: str, *options: str) -> str:
    """Make a key pair with ssh-keygen (`-t ed25519` unless `options` differ). Returns the public key's line."""
    subprocess.run(
        ["ssh-keygen", "-q", "-N", "", "-C", "testbed", "-f", path, *(options or ("-t", "ed25519"))],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    with open(f"{path}.pub", encoding="ascii") as file:
        return file.read().strip()


def command(
    user: str, port: int, keys: Sequence[str], agent: Optional[str] = None, options: Sequence[str] = ()
) -> List[str]:
    """An ssh command line to 127.0.0.1, without the remote command.

    It offers the private `keys` in order, or with `agent` those of the ssh-agent at that socket.
    """
    return [
        "ssh", *_OPTIONS, "-p", str(port), "-o", f"IdentitiesOnly={'no' if agent else 'yes'}",
        "-o", f"IdentityAgent={agent or 'none'}", *options, *[part for key in keys for part in ("-i", key)],
        f"{user}@127.0.0.1",
    ]  # fmt: skip


def login(arguments: Sequence[str]) -> Login:
    """Run an ssh command line to its end."""
    begun = time.monotonic()
    done = subprocess.run(
        arguments, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_LOGIN_TIMEOUT, check=False
    )
    return Login(done.returncode == 0, done.stdout.strip(), done.stderr.strip(), time.monotonic() - begun)
