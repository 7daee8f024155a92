# SPDX-License-Identifier: Apache-2.0
"""One machine: a Debian that systemd booted in a container, as an EC2 instance as far as eic-sshd can tell.

Its disk is an overlay in memory over an image. Its network is a loopback of its own that has IMDS's address, its board
asset tag is the sandbox's instance id. Nothing of it outlives the namespaces that tests/instance/__main__.py makes, but
for empty cgroups, which it removes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from eic_sandbox.imds.metadata import InstanceMetadata

from . import cgroups

BASE = Path("/run/eic-sshd-instance")
IMDS = "169.254.169.254"
PATIENCE = 60.0  # seconds: a machine boots in less than one, if nothing else runs
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
}
_UNIFIED = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
_SSHD_IDENTIFIERS = ("sshd", "sshd-session", "sshd-auth")
_counter = itertools.count(1)

Entry = Dict[str, Any]


class Failed(AssertionError):
    """A command in a machine did not end as it must; says what it printed."""


class Machine:
    """A disk, and once `boot` is through a running system on it; `layers` lie below its own, the uppermost first."""

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
        """Start systemd and wait until it is through with that."""
        with open(self.folder / "console", "ab") as console:
            self._nspawn = subprocess.Popen(
                [*_nspawn(self.name, self.root), "--boot"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **_UNIFIED},
            )
        self.pid = self._find_init()
        self._become_an_instance()
        state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        if state not in ("running", "degraded"):
            raise Failed(f"{self.name} did not boot ({state}):\n{self.console()}")

    def _find_init(self) -> int:
        assert self._nspawn is not None
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE and self._nspawn.poll() is None:
            for child in _children(self._nspawn.pid):
                if _pid_inside(child) == 1 and _systemd_answers(child):
                    return child
            time.sleep(0.02)
        raise Failed(f"{self.name} did not boot:\n{self.console()}")

    def _become_an_instance(self) -> None:
        tag = "/sys/devices/virtual"
        self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", tag)
        self.run("mkdir", "-p", f"{tag}/dmi/id")
        self.write(f"{tag}/dmi/id/board_asset_tag", f"{InstanceMetadata().instance_id}\n")
        for arguments in ("link set lo up", f"addr add {IMDS}/32 dev lo"):
            subprocess.run([*self.network, "ip", *arguments.split()], check=True)

    @property
    def network(self) -> List[str]:
        """What a command of the host is put behind, to run in this machine's network."""
        return ["nsenter", f"--target={self.pid}", "--net"]

    @property
    def inside(self) -> List[str]:
        """What a command is put behind, to run in this machine; on a machine that is not booted, in its disk."""
        if not self.pid:
            return ["chroot", str(self.root)]
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        return ["nsenter", f"--target={self.pid}", *spaces]

    def run(
        self, *command: str, check: bool = True, stdin: str = "", timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` there, as root. Raises Failed if it must succeed and does not, or takes too long."""
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
        """What `script` prints there."""
        return self.run("sh", "-euc", script, check=check, timeout=timeout).stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of root's, its folder made where it is missing."""
        self.run("sh", "-euc", f'mkdir -p "$(dirname {path})"; cat >{path}; chmod {mode:o} {path}', stdin=text)

    def read(self, path: str) -> str:
        return self.run("cat", path).stdout

    def exists(self, path: str) -> bool:
        return self.run("test", "-e", path, check=False).returncode == 0

    def copy_in(self, file: Path, folder: str = "/root") -> str:
        """Copy a file of the host's into the machine; gives its path there."""
        path = f"{folder}/{file.name}"
        with open(file, "rb") as source:
            subprocess.run([*self.inside, "sh", "-c", f"cat >{path}"], stdin=source, env=_ENVIRONMENT, check=True)
        return path

    def reload_sshd(self) -> None:
        """Have sshd read its configuration, and wait until it listens again: systemctl does not."""
        before = self.cursor()
        self.run("systemctl", "reload", "ssh.service")
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            if any("Server listening on 0.0.0.0" in entry["MESSAGE"] for entry in self.sshd_entries(before)):
                return
            time.sleep(0.02)
        raise Failed(f"{self.name}: sshd does not listen any more\n{self.journal()}")

    # The journal.

    def cursor(self) -> str:
        """Where the journal ends now."""
        self.run("journalctl", "--sync")
        shown = self.run("journalctl", "-n", "1", "-o", "cat", "--show-cursor", "-q").stdout
        return shown.rpartition("cursor: ")[2].strip()

    def entries(self, cursor: str, *identifiers: str) -> List[Entry]:
        """The journal's entries behind `cursor`, of these SYSLOG_IDENTIFIERs if any is named."""
        self.run("journalctl", "--sync")
        after = [f"--after-cursor={cursor}"] if cursor else []
        # They are chosen here: with matches, the journalctl of Debian 12 skips the first entry behind a cursor.
        shown = self.run("journalctl", "-o", "json", "-q", "--no-pager", "--all", *after).stdout
        found = [json.loads(line) for line in shown.splitlines()]
        return [entry for entry in found if not identifiers or entry.get("SYSLOG_IDENTIFIER") in identifiers]

    def records(self, cursor: str) -> List[Entry]:
        """The decisions behind `cursor`."""
        return self.entries(cursor, "eic-sshd")

    def sshd_entries(self, cursor: str) -> List[Entry]:
        """What sshd logged behind `cursor`."""
        return self.entries(cursor, *_SSHD_IDENTIFIERS)

    def journal(self, lines: int = 60) -> str:
        """The last of the journal, for a person."""
        done = self.run("journalctl", "-n", str(lines), "--no-pager", "-o", "short-precise", check=False, timeout=20)
        return done.stdout + done.stderr

    def console(self) -> str:
        path = self.folder / "console"
        return (
            re.sub(r"\x1b\[[0-9;]*m", "", path.read_text(errors="replace"))[-4000:]
            if path.exists()
            else "(never booted)"
        )

    # The end.

    def halt(self) -> None:
        """End it as a power cut would; the disk stays."""
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
        """Let systemd stop everything; the disk stays."""
        self.run("systemctl", "poweroff", check=False)
        assert self._nspawn is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._nspawn.wait(timeout=PATIENCE)
        self.halt()

    def destroy(self) -> None:
        """Take everything of it away."""
        self.halt()
        subprocess.run(["umount", "--lazy", str(self.root)], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.folder)], check=False)


@contextlib.contextmanager
def machine(*layers: Path, boot: bool = True) -> Iterator[Machine]:
    """A machine of its own on `layers`, gone at the end."""
    made = Machine(layers)
    try:
        if boot:
            made.boot()
        yield made
    finally:
        made.destroy()


def unable(image: Path) -> Optional[str]:
    """Why systemd-nspawn can't run so much as `true` here; None if it can."""
    name = f"probe-{os.getpid()}"
    try:
        done = subprocess.run(
            [*_nspawn(name, image), "--read-only", "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, **_UNIFIED},
        )
    except subprocess.TimeoutExpired:
        return f"it does not end in {PATIENCE} s"
    finally:
        cgroups.remove(name)
    return done.stderr.strip() or f"exit status {done.returncode}" if done.returncode != 0 else None


def _nspawn(name: str, root: Path) -> List[str]:
    return [
        *cgroups.entering(name),
        "systemd-nspawn", "--quiet", "--keep-unit", "--register=no", "--private-network", "--link-journal=no",
        # An instance's systemd can keep a unit from the network (IPAddressDeny=): that takes bpf(2).
        "--capability=CAP_BPF", "--system-call-filter=bpf", f"--machine={name}", f"--directory={root}",
    ]  # fmt: skip


def _systemd_answers(pid: int) -> bool:
    """Whether systemd runs as `pid` and has come as far as taking commands."""
    return os.path.exists(f"/proc/{pid}/root/run/systemd/private")


def _children(pid: int) -> List[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _pid_inside(pid: int) -> int:
    """The process's number in the innermost of its PID namespaces, if that is not this one; else 0."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            numbers = next(line.split()[1:] for line in file if line.startswith("NSpid:"))
    except (OSError, StopIteration):
        return 0
    return int(numbers[-1]) if len(numbers) > 1 else 0
