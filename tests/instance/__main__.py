# SPDX-License-Identifier: Apache-2.0
"""Runs the tests on booted machines, those of each Debian release in a pytest of its own.

    python -m tests.instance [--release SUITE]... [--upgrade-from DEB] [PYTEST ARGUMENTS]

--upgrade-from names eic-sshd's package of an older commit: upgrades begin with it in place of today's.

All of it runs in mount and PID namespaces. The kernel removes them, with every machine in them, when this process ends
for any reason. Exit status 0 also where no machine can be booted: the output says so, and why.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional

from testbed import namespaces
from testbed.machines import cgroups, images, machine, nspawn
from tools.documents import ROOT

from . import packages

_TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter", "ip", "dpkg-deb", "ssh", "mount")


def unsupported() -> Optional[str]:
    """Why no machine can be booted here, or None."""
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} missing: run make setup as root"
    try:
        namespaces.require()
    except namespaces.Unsupported as problem:
        return str(problem)
    return None


def is_inside() -> bool:
    """Whether this process is in the namespaces of a run."""
    return cgroups.RUN in os.environ


def main(arguments: List[str]) -> int:
    if is_inside():
        return _inside(arguments)
    reason = unsupported()
    if reason is not None:
        return _skip(reason)
    os.environ[cgroups.RUN] = str(os.getpid())
    cgroups.remove_left_over()
    try:
        command = [sys.executable, "-m", "tests.instance", *arguments]
        return namespaces.run(command, cwd=ROOT, kill_on_interrupt=True)
    finally:
        cgroups.remove_left_over()


def _skip(reason: str) -> int:
    print(f"eic-sshd: the tests on booted machines are SKIPPED: {reason}", flush=True)
    return 0


def _inside(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--release", action="append", type=images.suite)
    parser.add_argument("--upgrade-from", type=Path, metavar="DEB")
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.upgrade_from is not None:
        packages.upgrade_from(chosen.upgrade_from)
    releases = chosen.release or list(images.RELEASES)
    if not any(argument.startswith("tests/") for argument in rest):
        rest.append("tests/instance")
    with _one_build_at_a_time():
        try:
            packages.build()
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(images.image, releases))
        except (RuntimeError, subprocess.CalledProcessError) as problem:
            print(f"eic-sshd: {problem}", file=sys.stderr)
            return 1
        # Machines, and what systemd-nspawn notes of them, stand in memory and go with the namespaces. What is built
        # above may need the /run that was there, for its name servers.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
        machine.BASE.mkdir()
        packages.copy(machine.BASE)
    reason = nspawn.unsupported(images.image(releases[0]), machine.BOOT_TIMEOUT)
    if reason is not None:
        return _skip(f"systemd-nspawn can run nothing here: {reason}")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda release: _pytest(release, rest), releases))
    for one in done:  # above, the ends of them stand one among the other
        print("".join(one.summary), end="", flush=True)
    return max(one.status for one in done)


@contextlib.contextmanager
def _one_build_at_a_time() -> Iterator[None]:
    images.CACHE.mkdir(parents=True, exist_ok=True)
    with open(images.CACHE / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Ended(NamedTuple):
    """pytest's exit status, and the end of what it said if something failed."""

    status: int
    summary: List[str]


def _pytest(release: str, arguments: List[str]) -> Ended:
    """Run the tests of one release, its lines marked as that."""
    options = ["-vv", "--tb=short", "--durations=10", f"--basetemp={machine.BASE / release}", "--release", release]
    command = [sys.executable, "-m", "pytest", *options, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd=ROOT
    ) as process:
        assert process.stdout is not None
        summary: List[str] = []
        for line in process.stdout:
            marked = f"{release:8} | {line}"
            print(marked, end="", flush=True)
            if summary or "short test summary info" in line:
                summary.append(marked)
    return Ended(process.returncode, summary)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
