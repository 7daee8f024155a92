# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the daemon's socket, and reloads sshd. Nothing starts in a chroot, or where systemd does not run."""

from __future__ import annotations

import os
import signal
import time
from typing import List, Sequence

from ..diagnose.finding import error
from ..host import systemd
from ..host.errors import MachineError
from ..paths import SERVICE_UNIT, SOCKET_UNIT
from ..sshd.processes import POLL_INTERVAL, SIGHUP, TRY_RESTART, Listener, Processes, count_reopened, listeners
from ..sshd.program import Sshd
from . import SetupRefused, SshdNotListening
from .report import Report


class Services:
    """The services of the machine at `root`. What is done is reported; with `dry_run` it is only reported.

    `reload_sent` says whether an sshd may have read its configuration. `listen_timeout` is the time in seconds in which
    a reloaded sshd must listen again.
    """

    def __init__(
        self, report: Report, dry_run: bool, processes: Processes, root: str = "/", listen_timeout: float = 10.0
    ) -> None:
        self._report = report
        self._dry_run = dry_run
        self._root = root
        self._processes = processes
        self._listen_timeout = listen_timeout
        self.reload_sent = False
        self._lost: List[Listener] = []

    def start_socket(self, settings_changed: bool) -> None:
        """Enable and start the daemon's socket; restart it where `settings_changed`."""
        if not systemd.has_unit(SOCKET_UNIT, self._root):
            return
        try:
            is_enabled = systemd.is_state("enabled", SOCKET_UNIT)
            is_active = self._is_active(SOCKET_UNIT)
            if settings_changed:
                self._reload_units()
            if settings_changed and is_active:
                self._run("stop", SERVICE_UNIT, SOCKET_UNIT)
            if not is_enabled:
                self._run("enable", SOCKET_UNIT)
            if systemd.is_running(self._root) and (settings_changed or not is_active):
                self._run("start", SOCKET_UNIT)
        except MachineError as failure:
            self._report(f"{failure} Until {SOCKET_UNIT} is active each login is slower.")

    def stop_socket(self, settings_changed: bool) -> None:
        """Stop and disable the daemon's socket, and stop the daemon."""
        if not systemd.has_unit(SOCKET_UNIT, self._root):
            return
        try:
            if self._is_active(SOCKET_UNIT) or self._is_active(SERVICE_UNIT):
                self._run("stop", SOCKET_UNIT, SERVICE_UNIT)
            if systemd.is_state("enabled", SOCKET_UNIT):
                self._run("disable", SOCKET_UNIT)
            if settings_changed:
                self._reload_units()
        except MachineError as failure:
            self._report(f"{failure} The socket is active but unused: `systemctl disable --now {SOCKET_UNIT}`.")

    def reload_daemon(self) -> None:
        """Reload the daemon's configuration, if it runs."""
        if not systemd.has_unit(SOCKET_UNIT, self._root) or not systemd.is_running(self._root):
            return
        try:
            if systemd.is_state("active", SERVICE_UNIT):
                self._run("reload", SERVICE_UNIT)
        except MachineError as failure:
            self._report(f"{failure} The daemon uses its previous configuration until it is restarted.")

    def _is_active(self, unit: str) -> bool:
        return systemd.is_running(self._root) and systemd.is_state("active", unit)

    def _reload_units(self) -> None:
        if systemd.is_running(self._root) and not self._dry_run:
            systemd.systemctl("daemon-reload")

    def reload_sshd(self, sshds: Sequence[Sshd]) -> None:
        """Reload every sshd that listens with the configuration of one of `sshds`, and wait until they listen again.

        Other sshds are not reloaded: their configurations were not tested. Raises SetupRefused where systemctl fails.
        """
        before = self._processes.listeners()
        reloaded = []
        for one in before:
            if not _uses_any(one, sshds):
                self._report(f"sshd (PID {one.pid}) has another configuration, and is not reloaded")
                continue
            self.reload_sent = not self._dry_run
            verb = one.reload_verb() if systemd.is_running(self._root) else SIGHUP
            if verb != TRY_RESTART:  # with which systemd keeps the sockets
                reloaded.append(one)
            if one.unit is not None and verb != SIGHUP:
                self._reload_unit(one.unit, verb)
            else:
                self._send_sighup(one.pid)
        if self.reload_sent:
            self._wait_until_listening(reloaded, sshds, before)
        elif not self._dry_run:
            self._report(f"no running sshd uses {sshds[0].config}: the next one that starts reads the change")

    def _reload_unit(self, unit: str, verb: str) -> None:
        """Raises SetupRefused; the sockets that start the `unit` are active again then."""
        if verb == TRY_RESTART and not self._dry_run:
            systemd.systemctl("reset-failed", unit)  # or the fifth in ten seconds would fail (StartLimitBurst=)
        try:
            self._run(verb, unit)
        except MachineError:
            if verb == TRY_RESTART:
                systemd.systemctl("start", *systemd.show(unit, "TriggeredBy").get("TriggeredBy", "").split())
            raise

    def _wait_until_listening(self, reloaded: List[Listener], sshds: Sequence[Sshd], before: List[Listener]) -> None:
        """Wait until as many sshds as were `reloaded` listen at sockets that were not there `before`.

        The next step may be a login, or the removal of a command that sshd would run until then. An sshd whose sockets
        are not known is not waited for.
        """
        expected = sum(bool(one.sockets) for one in reloaded)
        until = time.monotonic() + self._listen_timeout
        while True:
            now = [one for one in listeners(self._processes.proc) if _uses_any(one, sshds)]
            if count_reopened(now, before) >= expected:
                return
            if time.monotonic() >= until:
                self._lost += [one for one in reloaded if one.sockets]
                return
            time.sleep(POLL_INTERVAL)

    def require_sshd_listening(self) -> None:
        """Raises SshdNotListening if an sshd was reloaded and did not listen again in time."""
        if self._lost:
            processes = ", ".join(f"PID {one.pid}{f' of {one.unit}' if one.unit else ''}" for one in self._lost)
            raise SshdNotListening(
                f"sshd ({processes})",
                "it was reloaded but is not listening",
                "Check its log before you close this session",
            )

    def _send_sighup(self, pid: int) -> None:
        if self._dry_run:
            self._report(f"would send SIGHUP to sshd (PID {pid})")
            return
        try:
            os.kill(pid, signal.SIGHUP)
        except ProcessLookupError:
            return
        self._report(f"sent SIGHUP to sshd (PID {pid}), which has no systemd unit to reload")

    def _run(self, *arguments: str) -> None:
        """Run systemctl. Raises SetupRefused if it fails, RunError."""
        command = f"systemctl {' '.join(arguments)}"
        if self._dry_run:
            self._report(f"would run `{command}`")
            return
        done = systemd.systemctl("--quiet", *arguments)
        if done.returncode != 0:
            problem = "; ".join(done.stderr.split("\n")).strip("; ") or f"exit status {done.returncode}"
            raise SetupRefused(error("systemctl-failed", f"`{command}`", f"it failed ({problem})"))
        self._report(f"ran `{command}`")


def _uses_any(one: Listener, sshds: Sequence[Sshd]) -> bool:
    return any(one.uses(sshd.config, sshd.program) for sshd in sshds)
