# SPDX-License-Identifier: Apache-2.0
"""systemd's side of it: sshd's units, and our socket. In a chroot, or where no systemd runs, nothing is started."""

from __future__ import annotations

import glob
import os
import re
import signal
import subprocess
import time
from typing import Iterator, List, Optional, Set, Tuple

from . import Refused, Unfinished
from .changes import Say
from .listeners import Listener, listeners
from .programs import is_there, run

SOCKET = "eic-sshd.socket"
SERVICE = "eic-sshd.service"
RESTART = "try-restart"  # systemctl waits until it is back
_STARTING_SSHD = ("ssh.service", "sshd.service", "ssh@.service", "sshd@.service")
# systemd.unit(5), Unit File Load Path: the first that has a file of some name wins.
_UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system",
                 "lib/systemd/system")  # fmt: skip
_OPTIONS_FILES = ("etc/default/ssh", "etc/sysconfig/sshd")


class Units:
    """The units of the machine at `root`. `told_sshd` says whether a running sshd may have read its configuration.

    What is done to them is said through `say`, and with `dry_run` only said. `patience` is how long an sshd may be away
    while it reads its configuration, in seconds.
    """

    def __init__(self, say: Say, dry_run: bool, root: str = "/", patience: float = 5.0) -> None:
        self._say = say
        self._dry_run = dry_run
        self._root = root
        self._patience = patience
        self.told_sshd = False
        self._lost: List[Listener] = []

    def is_running(self) -> bool:
        """Whether a systemd runs here that is ours to talk to."""
        return os.path.isdir(os.path.join(self._root, "run/systemd/system")) and not _in_chroot()

    def on_command_line(self, config: str) -> Optional[Tuple[str, str]]:
        """(option, FILE:LINE) where sshd is started in a way that no line in `config` can change."""
        for file in self._that_start_sshd():
            try:
                with open(file, encoding="utf-8", errors="replace") as opened:
                    lines = opened.read().split("\n")
            except OSError:
                continue
            for number, line in enumerate(lines, start=1):
                option = _overriding(line, config)
                if option is not None:
                    return option, f"{file}:{number}"
        return None

    def _that_start_sshd(self) -> Iterator[str]:
        seen = set()
        for folder in _UNIT_FOLDERS:
            base = os.path.join(self._root, folder)
            for unit in _STARTING_SSHD:
                for file in [os.path.join(base, unit), *sorted(glob.glob(os.path.join(base, f"{unit}.d", "*.conf")))]:
                    name = os.path.relpath(file, base)
                    if name not in seen and os.path.lexists(file):
                        seen.add(name)
                        yield file
        yield from (os.path.join(self._root, file) for file in _OPTIONS_FILES)

    def socket_has_failed(self) -> bool:
        return self._has_socket() and self.is_running() and _is("failed", SOCKET)

    def start_socket(self, anew: bool) -> None:
        """Have systemd listen for us from now on; `anew` where the socket's own settings have changed."""
        if not self._has_socket():
            return
        try:
            is_enabled, is_active = _is("enabled", SOCKET), self.is_running() and _is("active", SOCKET)
            if anew:
                self._read_units_again()
            if anew and is_active:
                self._do("stop", SERVICE, SOCKET)
            if not is_enabled:
                self._do("enable", SOCKET)
            if self.is_running() and (anew or not is_active):
                self._do("start", SOCKET)
        except Refused as problem:
            self._say(f"{problem}; until it listens, each login is decided by a process of its own, slower")

    def stop_socket(self, anew: bool) -> None:
        """Have systemd no longer listen for us."""
        if not self._has_socket():
            return
        try:
            if self.is_running() and (_is("active", SOCKET) or _is("active", SERVICE)):
                self._do("stop", SOCKET, SERVICE)
            if _is("enabled", SOCKET):
                self._do("disable", SOCKET)
            if anew:
                self._read_units_again()
        except Refused as problem:
            self._say(f"{problem}; until it is stopped it listens for nobody: `systemctl disable --now {SOCKET}`")

    def reload_service(self) -> None:
        """Have the authorizer, if it runs, read its configuration."""
        if not self._has_socket() or not self.is_running():
            return
        try:
            if _is("active", SERVICE):
                self._do("reload", SERVICE)
        except Refused as problem:
            self._say(f"{problem}; it goes by what it read before, until it is restarted")

    def _has_socket(self) -> bool:
        """Whether there is a socket of ours for systemctl to start and stop."""
        paths = (os.path.join(self._root, folder, SOCKET) for folder in _UNIT_FOLDERS)
        return is_there("systemctl") and any(map(os.path.exists, paths))

    def _read_units_again(self) -> None:
        if self.is_running() and not self._dry_run:
            _systemctl("daemon-reload")

    def reload_sshd(self) -> None:
        """Have every sshd that waits for connections here read its configuration. Raises Refused if it would not."""
        reloaded = set()
        away = []
        before = self._listeners()
        for sshd in before:
            if sshd.unit in reloaded:
                continue
            self.told_sshd = not self._dry_run
            verb = _verb(sshd.unit) if sshd.unit is not None and self.is_running() else None
            if sshd.unit is not None and verb is not None:
                reloaded.add(sshd.unit)
                self._do(verb, sshd.unit)
            else:
                self._hang_up(sshd.pid)
            if verb != RESTART:
                away.append(sshd)
        if self.told_sshd:
            self._wait_for(away, {sshd.pid for sshd in before})
        elif not self._dry_run:
            self._say("no sshd waits for connections here: it reads its configuration when it is started")

    def _listeners(self) -> List[Listener]:
        return listeners(os.path.join(self._root, "proc"))

    def _wait_for(self, away: List[Listener], before: Set[int]) -> None:
        """What comes next may be a login, or the end of a command that sshd still has in mind."""
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            now = self._listeners()
            away = [sshd for sshd in away if not sshd.is_back(now, before)]
            if not away:
                return
            time.sleep(0.01)
        self._lost += away

    def require_sshd_back(self) -> None:
        """Raises Unfinished if an sshd was told to read its configuration and does not wait for connections since."""
        if self._lost:
            who = ", ".join(f"process {sshd.pid}{f' of {sshd.unit}' if sshd.unit else ''}" for sshd in self._lost)
            raise Unfinished(
                f"sshd ({who}) was told, and does not wait for connections since: look at its log, and see to it "
                "before you leave this machine"
            )

    def _hang_up(self, pid: int) -> None:
        """sshd(8): it rereads its configuration when it receives SIGHUP."""
        if self._dry_run:
            self._say(f"would send SIGHUP to sshd, process {pid}")
            return
        try:
            os.kill(pid, signal.SIGHUP)
        except ProcessLookupError:
            return
        self._say(f"sent SIGHUP to sshd, process {pid}, which systemd does not look after")

    def _do(self, *arguments: str) -> None:
        command = f"systemctl {' '.join(arguments)}"
        if self._dry_run:
            self._say(f"would run: {command}")
            return
        done = _systemctl("--quiet", *arguments)
        if done.returncode != 0:
            problem = "; ".join(done.stderr.split("\n")).strip("; ") or f"exit status {done.returncode}"
            raise Refused(f"`{command}` failed: {problem}")
        self._say(command)


def _is(state: str, unit: str) -> bool:
    return _systemctl(f"is-{state}", "--quiet", unit).returncode == 0


def _verb(unit: str) -> Optional[str]:
    """How systemctl has sshd's `unit` read its configuration; None if it can't."""
    done = _systemctl("show", "--property=CanReload,KillMode,TriggeredBy", unit)
    shown = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    # One that a socket started ends at a reload (seen with Debian 13's). Where it is started anew, what comes
    # meanwhile waits in the socket, and sessions go on.
    if shown.get("KillMode") == "process" and any(_is("active", name) for name in shown.get("TriggeredBy", "").split()):
        return RESTART
    return "reload" if shown.get("CanReload") == "yes" else None


def _overriding(line: str, config: str) -> Optional[str]:
    """The option on the `line` of a unit, or of a file with sshd's options, that goes before `config`."""
    if line.lstrip().startswith(("#", ";")):
        return None
    option = re.search(r"-o\s*[\"']?(AuthorizedKeysCommand(?:User)?)\b", line, re.IGNORECASE)
    if option:
        return f"-o {option.group(1)}"
    # Other programs, that a unit runs beside it, have an option -f as well.
    if re.search(r"\bsshd\b|OPT", line):
        other = re.search(r"(?:^|[\s=\"'])-f\s*(/[^\s\"']+)", line)
        return f"-f {other.group(1)}" if other and other.group(1) != config else None
    return None


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("systemctl", "--no-pager", *arguments)


def _in_chroot() -> bool:
    try:
        return not os.path.samefile("/", "/proc/1/root/")
    except OSError:
        return False
