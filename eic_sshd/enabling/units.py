# SPDX-License-Identifier: Apache-2.0
"""systemd's side of it: sshd's units, and our socket. In a chroot, or where no systemd runs, nothing is started."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import time
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from . import Refused, Unfinished, command_line
from .changes import Say
from .command_line import UNIT_FOLDERS
from .listeners import Listener, listeners, survey
from .programs import is_there, run
from .sshd import Sshd

SOCKET = "eic-sshd.socket"
SERVICE = "eic-sshd.service"
RESTART = "try-restart"  # systemctl waits until it is back
_POLL_INTERVAL = 0.01  # seconds
HANG_UP = "SIGHUP"  # sshd(8): it rereads its configuration when it receives one


class Units:
    """The units of the machine at `root`. `told_sshd` says whether a running sshd may have read its configuration.

    What is done to them is said through `say`, and with `dry_run` only said. `patience` is how long an sshd may be away
    while it reads its configuration, in seconds.
    """

    def __init__(self, say: Say, dry_run: bool, root: str = "/", patience: float = 10.0) -> None:
        self._say = say
        self._dry_run = dry_run
        self._root = root
        self._proc = os.path.join(root, "proc")
        self._patience = patience
        self._polls_left = patience / _POLL_INTERVAL  # in all: one that never comes to wait must not cost it each time
        self.told_sshd = False
        self._lost: List[Listener] = []

    def is_running(self) -> bool:
        """Whether a systemd runs here that is ours to talk to."""
        return os.path.isdir(os.path.join(self._root, "run/systemd/system")) and not _in_chroot()

    def on_command_line(self, config: str) -> Optional[Tuple[str, str]]:
        """(option, FILE:LINE) where sshd is started in a way that no line in `config` can change."""
        return next(command_line.overriding(self._root, config), None)

    def problems(self, imds: str) -> Iterator[str]:
        """What keeps logins from being answered by the authorizer, a sentence each; `imds` is its IMDS's address."""
        if not self._has_socket():
            return
        yield from self._socket_problems()
        if not self.is_running():
            return
        if _is("failed", SERVICE):
            yield f"{SERVICE} has failed, so each login is slower: `journalctl -u {SERVICE}` says why"
        shown = _shown(SERVICE, "IPAddressAllow", "IPAddressDeny")
        if shown.get("IPAddressDeny") and not _is_within(imds, shown.get("IPAddressAllow", "").split()):
            yield (
                f"{SERVICE} may not reach [imds] endpoint, so no pushed key logs in: `systemctl edit {SERVICE}`, and "
                f"give it IPAddressAllow={imds} under [Service]"
            )

    def _socket_problems(self) -> Iterator[str]:
        """What keeps it from listening now or after a boot; a command that lasts beyond the next boot with each."""
        states = {unit: _systemctl("is-enabled", unit).stdout.strip() for unit in (SOCKET, SERVICE)}
        for unit in [unit for unit, state in states.items() if state.startswith("masked")]:
            unmask = "unmask --runtime" if states[unit] == "masked-runtime" else "unmask"
            remedy = f"systemctl {unmask} {unit} && systemctl enable --now {SOCKET}"
            yield f"{unit} is masked, so each login is slower: `{remedy}`"
        if states[SOCKET].startswith("masked"):
            return
        if states[SOCKET] in ("disabled", "enabled-runtime"):
            yield f"{SOCKET} is disabled, so each login is slower after a boot: `systemctl enable --now {SOCKET}`"
        elif self.is_running() and _is("failed", SOCKET):
            yield f"{SOCKET} has failed, so each login is slower: `systemctl restart {SOCKET}`"
        elif self.is_running() and not _is("active", SOCKET):
            yield f"{SOCKET} does not listen, so each login is slower: `systemctl restart {SOCKET}`"

    def listens(self) -> bool:
        """Whether systemd listens for us."""
        return self._has_socket() and self.is_running() and _is("active", SOCKET)

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
        paths = (os.path.join(self._root, folder, SOCKET) for folder in UNIT_FOLDERS)
        return is_there("systemctl") and any(map(os.path.exists, paths))

    def _read_units_again(self) -> None:
        if self.is_running() and not self._dry_run:
            _systemctl("daemon-reload")

    def waiting(self, sshd: Sshd) -> List[Listener]:
        """The processes that wait for connections and go by the configuration of `sshd`."""
        return [one for one in self.listeners() if one.reads(sshd.config, sshd.program)]

    def binds(self, sshd: Listener) -> bool:
        """Whether it will listen where its configuration says, and not at what systemd hands it."""
        return not sshd.brings_addresses and not (self.is_running() and _verb(sshd) == RESTART)

    def reload_sshd(self, sshds: Sequence[Sshd]) -> None:
        """Have every process that waits for connections here, and goes by the configuration of one of `sshds`, read it.

        Others are left alone: nobody has tested what they would read. Raises Refused if it would not.
        """
        away = []
        before = self.listeners()
        for one in before:
            if not any(one.reads(sshd.config, sshd.program) for sshd in sshds):
                self._say(f"process {one.pid} is an sshd with a configuration of its own, and is left alone")
                continue
            self.told_sshd = not self._dry_run
            verb = _verb(one) if self.is_running() else HANG_UP
            if verb != RESTART:  # with the sockets that it has now: another may just have told it as well
                away.append(next((now for now in self.listeners() if now.pid == one.pid), one))
            if one.unit is not None and verb != HANG_UP:
                self._have_read(one.unit, verb)
            else:
                self._hang_up(one.pid)
        if self.told_sshd:
            self._wait_for(away, {one.pid for one in before})
        elif not self._dry_run:
            self._say(f"no sshd that waits for connections here goes by {sshds[0].config}: it is read when one starts")

    def _have_read(self, unit: str, verb: str) -> None:
        """Raises Refused, with the sockets that start `unit` listening again."""
        if verb == RESTART and not self._dry_run:
            _systemctl("reset-failed", unit)  # or the fifth time in ten seconds would be its last (StartLimitBurst=)
        try:
            self._do(verb, unit)
        except Refused:
            if verb == RESTART:
                _systemctl("start", *_shown(unit, "TriggeredBy").get("TriggeredBy", "").split())
            raise

    def listeners(self) -> List[Listener]:
        """All that wait for connections here, whatever configuration they go by, once none is about to."""
        found = survey(self._proc)
        while found.is_one_starting and self._polls_left > 0:
            self._polls_left -= 1
            time.sleep(_POLL_INTERVAL)
            found = survey(self._proc)
        return found.waiting

    def _wait_for(self, away: List[Listener], before: Set[int]) -> None:
        """What comes next may be a login, or the removal of a command that sshd, until it is back, would still run."""
        until = time.monotonic() + self._patience
        in_a_row = 0
        while time.monotonic() < until and in_a_row < 2:  # one that is told twice at a time is back for a moment only
            now = listeners(self._proc)
            missing = [one for one in away if not one.is_back(now, before)]
            in_a_row = 0 if missing else in_a_row + 1
            time.sleep(_POLL_INTERVAL)
        self._lost += missing

    def require_sshd_back(self) -> None:
        """Raises Unfinished if an sshd was told to read its configuration and does not wait for connections since."""
        if self._lost:
            who = ", ".join(f"process {one.pid}{f' of {one.unit}' if one.unit else ''}" for one in self._lost)
            raise Unfinished(
                f"sshd ({who}) was told, and does not wait for connections since: look at its log, and see to it "
                "before you leave this machine"
            )

    def _hang_up(self, pid: int) -> None:
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


def _is_within(address: str, networks: Sequence[str]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False  # a name: whatever it stands for, the service may ask no name server


def _shown(unit: str, *properties: str) -> Dict[str, str]:
    done = _systemctl("show", f"--property={','.join(properties)}", unit)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _verb(sshd: Listener) -> str:
    """How systemctl has its unit read its configuration; HANG_UP if it can't, or the unit is about something else."""
    if sshd.unit is None:
        return HANG_UP
    shown = _shown(sshd.unit, "CanReload", "KillMode", "MainPID", "TriggeredBy")
    if shown.get("MainPID") != str(sshd.pid):
        return HANG_UP
    # One that a socket started ends at a reload (seen with Debian 13's). Where it is started anew, what comes
    # meanwhile waits in the socket, and sessions go on.
    if shown.get("KillMode") == "process" and any(_is("active", name) for name in shown.get("TriggeredBy", "").split()):
        return RESTART
    return "reload" if shown.get("CanReload") == "yes" else HANG_UP


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("systemctl", "--no-pager", *arguments)


def _in_chroot() -> bool:
    try:
        return not os.path.samefile("/", "/proc/1/root/")
    except OSError:
        return False
