# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.instance [--release SUITE] [PYTEST ARGUMENTS]`: each Debian release's tests in a pytest of its own.

All of it runs in mount and PID namespaces that the kernel takes away, with every machine in them, when this process
ends, however it ends. Exit status 0 also where no machine can be booted: it says so, and why.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from typing import Iterator, List, NamedTuple, Optional

from testbed.machines import cgroups, images, machine
from tools.documents import ROOT

from . import packages

_NAMESPACES = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc"]
_TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter", "unshare", "ip", "dpkg-deb", "ssh", "mount")


def unable() -> Optional[str]:
    """Why no machine can be booted here, or None."""
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} missing: run make setup as root"
    try:
        done = subprocess.run([*_NAMESPACES, "true"], capture_output=True, text=True, timeout=30)
    except subprocess.SubprocessError as error:
        return str(error)
    return f"no namespaces can be made ({done.stderr.strip()})" if done.returncode != 0 else None


def is_inside() -> bool:
    """Whether this process is in the namespaces that it takes."""
    return cgroups.RUN in os.environ


def main(arguments: List[str]) -> int:
    if is_inside():
        return _inside(arguments)
    reason = unable()
    if reason is not None:
        return _skip(reason)
    os.environ[cgroups.RUN] = str(os.getpid())
    cgroups.remove_left_over()
    command = ["setpriv", "--pdeathsig", "KILL", *_NAMESPACES, sys.executable, "-m", "tests.instance", *arguments]
    process = subprocess.Popen(command, cwd=ROOT)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: process.kill())
    try:
        return _wait(process)
    finally:
        cgroups.remove_left_over()


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.kill()


def _skip(reason: str) -> int:
    print(f"eic-sshd: the tests on booted machines are SKIPPED: {reason}", flush=True)
    return 0


def _inside(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--release", action="append", type=images.suite)
    chosen, rest = parser.parse_known_args(arguments)
    releases = chosen.release or list(images.RELEASES)
    if not any(argument.startswith("tests/") for argument in rest):
        rest.append("tests/instance")
    with _alone():
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
    reason = machine.unable(images.image(releases[0]))
    if reason is not None:
        return _skip(f"systemd-nspawn can run nothing here: {reason}")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda release: _pytest(release, rest), releases))
    for one in done:  # above, the ends of them stand one among the other
        print("".join(one.summary), end="", flush=True)
    return max(one.status for one in done)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """What is built is built by one run at a time."""
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
