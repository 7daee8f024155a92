# SPDX-License-Identifier: Apache-2.0
"""systemd's side of it: sshd's units, and our socket. In a chroot, or where no systemd runs, nothing is started."""

from __future__ import annotations

import os
import signal
import time
from typing import List, Sequence

from ..host import systemd
from ..host.errors import MachineError
from ..paths import SERVICE_UNIT, SOCKET_UNIT
from ..sshd.processes import HANG_UP, POLL_INTERVAL, RESTART, Listener, Processes, count_reopened, listeners
from ..sshd.program import Sshd
from . import Refused, Unfinished
from .changes import Say


class Units:
    """The units of the machine at `root`. `told_sshd` says whether a running sshd may have read its configuration.

    What is done to them is said through `say`, and with `dry_run` only said. `patience` is how long an sshd may be away
    while it reads its configuration, in seconds.
    """

    def __init__(self, say: Say, dry_run: bool, processes: Processes, root: str = "/", patience: float = 10.0) -> None:
        self._say = say
        self._dry_run = dry_run
        self._root = root
        self._processes = processes
        self._patience = patience
        self.told_sshd = False
        self._lost: List[Listener] = []

    def start_socket(self, anew: bool) -> None:
        """Have systemd listen for us from now on; `anew` where the socket's own settings have changed."""
        if not systemd.has_unit(SOCKET_UNIT, self._root):
            return
        try:
            is_enabled = systemd.is_state("enabled", SOCKET_UNIT)
            is_active = self._is_active(SOCKET_UNIT)
            if anew:
                self._read_units_again()
            if anew and is_active:
                self._do("stop", SERVICE_UNIT, SOCKET_UNIT)
            if not is_enabled:
                self._do("enable", SOCKET_UNIT)
            if systemd.is_running(self._root) and (anew or not is_active):
                self._do("start", SOCKET_UNIT)
        except MachineError as problem:
            self._say(f"{problem}; until it listens, each login is decided by a process of its own, slower")

    def stop_socket(self, anew: bool) -> None:
        """Have systemd no longer listen for us."""
        if not systemd.has_unit(SOCKET_UNIT, self._root):
            return
        try:
            if self._is_active(SOCKET_UNIT) or self._is_active(SERVICE_UNIT):
                self._do("stop", SOCKET_UNIT, SERVICE_UNIT)
            if systemd.is_state("enabled", SOCKET_UNIT):
                self._do("disable", SOCKET_UNIT)
            if anew:
                self._read_units_again()
        except MachineError as problem:
            self._say(f"{problem}; until it is stopped it listens for nobody: `systemctl disable --now {SOCKET_UNIT}`")

    def reload_service(self) -> None:
        """Have the authorizer, if it runs, read its configuration."""
        if not systemd.has_unit(SOCKET_UNIT, self._root) or not systemd.is_running(self._root):
            return
        try:
            if systemd.is_state("active", SERVICE_UNIT):
                self._do("reload", SERVICE_UNIT)
        except MachineError as problem:
            self._say(f"{problem}; it goes by what it read before, until it is restarted")

    def _is_active(self, unit: str) -> bool:
        return systemd.is_running(self._root) and systemd.is_state("active", unit)

    def _read_units_again(self) -> None:
        if systemd.is_running(self._root) and not self._dry_run:
            systemd.systemctl("daemon-reload")

    def reload_sshd(self, sshds: Sequence[Sshd]) -> None:
        """Have every process that waits for connections here, and goes by the configuration of one of `sshds`, read it.

        Others are left alone: nobody has tested what they would read. Raises Refused if it would not.
        """
        before = self._processes.waiting()
        signalled = []
        for one in before:
            if not self._reads_any(one, sshds):
                self._say(f"process {one.pid} is an sshd with a configuration of its own, and is left alone")
                continue
            self.told_sshd = not self._dry_run
            verb = one.reload_verb() if systemd.is_running(self._root) else HANG_UP
            if verb != RESTART:  # of which systemd keeps the sockets
                signalled.append(one)
            if one.unit is not None and verb != HANG_UP:
                self._have_read(one.unit, verb)
            else:
                self._hang_up(one.pid)
        if self.told_sshd:
            self._wait_until_listening(signalled, sshds, before)
        elif not self._dry_run:
            self._say(f"no sshd that waits for connections here goes by {sshds[0].config}: it is read when one starts")

    def _have_read(self, unit: str, verb: str) -> None:
        """Raises Refused, with the sockets that start `unit` listening again."""
        if verb == RESTART and not self._dry_run:
            systemd.systemctl("reset-failed", unit)  # or the fifth in ten seconds would be its last (StartLimitBurst=)
        try:
            self._do(verb, unit)
        except MachineError:
            if verb == RESTART:
                systemd.systemctl("start", *systemd.show(unit, "TriggeredBy").get("TriggeredBy", "").split())
            raise

    def _wait_until_listening(self, told: List[Listener], sshds: Sequence[Sshd], before: List[Listener]) -> None:
        """Wait until as many sshds as were `told` listen at sockets that were not there `before`.

        What comes next may be a login, or the removal of a command that sshd would run until then. An sshd whose
        sockets are not known is not waited for.
        """
        expected = sum(bool(one.sockets) for one in told)
        until = time.monotonic() + self._patience
        while True:
            now = [one for one in listeners(self._processes.proc) if self._reads_any(one, sshds)]
            if count_reopened(now, before) >= expected:
                return
            if time.monotonic() >= until:
                self._lost += [one for one in told if one.sockets]
                return
            time.sleep(POLL_INTERVAL)

    @staticmethod
    def _reads_any(one: Listener, sshds: Sequence[Sshd]) -> bool:
        return any(one.reads(sshd.config, sshd.program) for sshd in sshds)

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
        done = systemd.systemctl("--quiet", *arguments)
        if done.returncode != 0:
            problem = "; ".join(done.stderr.split("\n")).strip("; ") or f"exit status {done.returncode}"
            raise Refused(f"`{command}` failed: {problem}")
        self._say(command)
