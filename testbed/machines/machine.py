# SPDX-License-Identifier: Apache-2.0
"""One machine: a Debian that systemd boots in a container, with the hardware identity of an EC2 instance.

Its disk is an overlay in memory over an image. Its network is a loopback of its own that has IMDS's address, its board
asset tag is the sandbox's instance id. The kernel removes all of it with the namespaces of
tests/instance/__main__.py, except empty cgroups, which that removes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import subprocess
from pathlib import Path
from typing import Iterator, List, Optional, Sequence

from eic_sandbox.imds.metadata import InstanceMetadata

from .. import waiting
from . import cgroups, nspawn
from .journal import JournalReader

BASE = Path("/run/eic-sshd-instance")
IMDS = "169.254.169.254"
BOOT_TIMEOUT = 60.0  # seconds; an idle machine boots in less than one
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
}
_counter = itertools.count(1)


class Failed(AssertionError):
    """A command in a machine failed; the message has its output."""


class Machine(JournalReader):
    """A disk, and after `boot` a running system on it. `layers` are below its own layer, the uppermost first."""

    def __init__(self, layers: Sequence[Path]) -> None:
        self.name = f"machine-{os.getpid()}-{next(_counter)}"
        self.folder = BASE / self.name
        self.root = self.folder / "root"
        self.upper = self.folder / "upper"
        self.pid = 0
        self._nspawn: Optional[subprocess.Popen[bytes]] = None
        for part in (self.root, self.upper, self.folder / "work"):
            part.mkdir(parents=True)
        lower = ":".join(map(str, layers))
        options = f"lowerdir={lower},upperdir={self.upper},workdir={self.folder / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "-o", options, self.name, str(self.root)], check=True)

    def boot(self) -> None:
        """Start systemd and wait until the boot has ended."""
        with open(self.folder / "console", "ab") as console:
            self._nspawn = subprocess.Popen(
                nspawn.command(self.name, self.root, "--boot"),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **nspawn.ENVIRONMENT},
            )
        self.pid = self._await_init()
        self._become_an_instance()
        state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        if state not in ("running", "degraded"):
            raise Failed(f"{self.name} did not boot ({state}):\n{self.console()}")

    def _await_init(self) -> int:
        """The process id of the machine's systemd, once it accepts commands. Raises Failed."""
        process = self._nspawn
        assert process is not None

        def find() -> Optional[int]:
            return nspawn.init_process(process.pid)

        try:
            waiting.until(lambda: find() or process.poll() is not None, "systemd accepts commands", BOOT_TIMEOUT)
            pid = find()
        except waiting.TimedOut:
            pid = None
        if pid is None:
            raise Failed(f"{self.name} did not boot:\n{self.console()}")
        return pid

    def _become_an_instance(self) -> None:
        tag = "/sys/devices/virtual"
        self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", tag)
        self.run("mkdir", "-p", f"{tag}/dmi/id")
        self.write(f"{tag}/dmi/id/board_asset_tag", f"{InstanceMetadata().instance_id}\n")
        for arguments in ("link set lo up", f"addr add {IMDS}/32 dev lo"):
            subprocess.run([*self.network, "ip", *arguments.split()], check=True)

    @property
    def network(self) -> List[str]:
        """The prefix of a command of the host that runs in this machine's network."""
        return ["nsenter", f"--target={self.pid}", "--net"]

    @property
    def inside(self) -> List[str]:
        """The prefix of a command that runs in this machine, or on its disk if it is not booted."""
        if not self.pid:
            return ["chroot", str(self.root)]
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        return ["nsenter", f"--target={self.pid}", *spaces]

    def run(
        self, *command: str, check: bool = True, stdin: str = "", timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` in the machine, as root. Raises Failed if it fails (unless `check` is false) or times out."""
        try:
            done = subprocess.run(
                [*self.inside, *command],
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                env=_ENVIRONMENT,
                timeout=timeout,
                cwd="/",
            )
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{self.name}: {' '.join(command)} took more than {timeout} s\n{late.output!r}") from None
        if check and done.returncode != 0:
            said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            raise Failed(f"{self.name}: {' '.join(command)} ended with {done.returncode}\n{said}")
        return done

    def shell(self, script: str, check: bool = True, timeout: float = 120.0) -> str:
        """The output of `script`, run in the machine."""
        return self.run("sh", "-euc", script, check=check, timeout=timeout).stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of root; makes its folder."""
        self.run("sh", "-euc", f'mkdir -p "$(dirname {path})"; cat >{path}; chmod {mode:o} {path}', stdin=text)

    def read(self, path: str) -> str:
        """The text of a file of the machine. Raises Failed if it cannot be read."""
        return self.run("cat", path).stdout

    def exists(self, path: str) -> bool:
        """Whether the machine has a file or folder at `path`."""
        return self.run("test", "-e", path, check=False).returncode == 0

    def copy_in(self, file: Path, folder: str = "/root") -> str:
        """Copy a file of the host to the machine; returns its path there."""
        path = f"{folder}/{file.name}"
        with open(file, "rb") as source:
            subprocess.run([*self.inside, "sh", "-c", f"cat >{path}"], stdin=source, env=_ENVIRONMENT, check=True)
        return path

    def reload_sshd(self) -> None:
        """Reload sshd and wait until it listens again, for which systemctl does not wait."""
        before = self.cursor()
        self.run("systemctl", "reload", "ssh.service")

        def listens() -> bool:
            return any("Server listening on 0.0.0.0" in entry["MESSAGE"] for entry in self.sshd_entries(before))

        try:
            waiting.until(listens, "sshd listens", BOOT_TIMEOUT)
        except waiting.TimedOut:
            raise Failed(f"{self.name}: sshd does not listen after a reload\n{self.journal()}") from None

    def console(self) -> str:
        """The last 4000 characters that the machine wrote to its console."""
        path = self.folder / "console"
        return (
            re.sub(r"\x1b\[[0-9;]*m", "", path.read_text(errors="replace"))[-4000:]
            if path.exists()
            else "(never booted)"
        )

    def halt(self) -> None:
        """Kill the machine, as a power failure would; its disk stays."""
        if self._nspawn is None:
            return
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)
        try:
            self._nspawn.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(timeout=10)
        self._nspawn, self.pid = None, 0
        cgroups.remove(self.name)

    def shut_down(self) -> None:
        """Shut the machine down; its disk stays."""
        self.run("systemctl", "poweroff", check=False)
        assert self._nspawn is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._nspawn.wait(timeout=BOOT_TIMEOUT)
        self.halt()

    def destroy(self) -> None:
        """Remove the machine and its disk."""
        self.halt()
        subprocess.run(["umount", "--lazy", str(self.root)], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.folder)], check=False)


@contextlib.contextmanager
def machine(*layers: Path, boot: bool = True) -> Iterator[Machine]:
    """A machine on `layers`, removed at the end."""
    made = Machine(layers)
    try:
        if boot:
            made.boot()
        yield made
    finally:
        made.destroy()
