# SPDX-License-Identifier: Apache-2.0
"""The private host on a machine that has accounts of the same names, or the same numbers, already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testbed import private_host
from tools.documents import ROOT

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="needs namespaces (needs root)")

# Runs in a mount namespace: the accounts as a machine may have them, with shells that allow no login.
OTHERS = """
cd "$1"
cp /etc/passwd /etc/group /etc/shadow .
cp /etc/gshadow . 2>/dev/null || true
for name in ec2-user deploy eic-sshd; do
    sed -i "/^$name:/d" passwd group shadow gshadow
    echo "$name:x:4321:4321::/nonexistent:/usr/sbin/nologin" >>passwd
    echo "$name:!:1:0:1:7:0:1:" >>shadow
    echo "$name:x:4321:daemon" >>group
    echo "$name:!:daemon:daemon" >>gshadow
done
echo "another:x:59981:59981::/nonexistent:/usr/sbin/nologin" >>passwd
printf 'last:x:59982:' >>group
for file in passwd group shadow gshadow; do [ ! -e /etc/$file ] || mount --bind $file /etc/$file; done
cd "$2"
shift 2
exec "$@"
"""


def among_others(folder: Path, *command: str) -> str:
    """What `command` prints on a private host of such a machine."""
    unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", OTHERS, "sh", str(folder), ROOT]
    host = [sys.executable, "-m", "testbed.private_host"]
    done = subprocess.run([*unshare, *host, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_private_hosts_accounts_replace_those_of_the_same_names_and_numbers(tmp_path: Path) -> None:
    ask = "for name in ec2-user deploy eic-sshd; do getent passwd $name; getent group $name; getent shadow $name; done"
    said = among_others(
        tmp_path, "sh", "-c", f"{ask}; getent passwd 59981; getent group 59982; id another"
    ).splitlines()
    expected = []
    for name, uid in (("ec2-user", 59981), ("deploy", 59982), ("eic-sshd", 59980)):
        expected += [
            f"{name}:x:{uid}:{uid}::{private_host.HOME}/home/{name}:/bin/sh",
            f"{name}:x:{uid}:",
            f"{name}:*:19000:0:99999:7:::",
        ]
    assert said[:9] == expected
    assert said[9].startswith("ec2-user:")
    assert said[10].startswith("deploy:")


def test_demo_works_on_a_private_host(tmp_path: Path) -> None:
    assert "the demo failed" not in among_others(tmp_path, sys.executable, "-m", "testbed.demo", "--fast")
