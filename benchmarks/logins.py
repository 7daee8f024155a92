# SPDX-License-Identifier: Apache-2.0
"""Whole logins, `ssh ... true`, through real sshds; and other helpers, each if it is available."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

from testbed import processes, waiting
from testbed.sshd import Sshd, free_port
from tools.documents import ROOT

from . import oslogin
from .bench import USER, Bench, fingerprint
from .measure import Case, WrongAnswer, command, nothing


class Logins:
    """Three sshds: without a command, with the daemon, and with a client that has neither daemon nor IMDS."""

    def __init__(self, bench: Bench, stack: contextlib.ExitStack) -> None:
        self._bench = bench
        self.on_disk, self.unknown, *self.others = [bench.key() for _ in range(6)]
        dead = bench.write_config("absent.conf", f"http://127.0.0.1:{free_port()}")
        commands = {
            "plain": None,
            "daemon": " ".join(bench.client_command()),
            "absent": " ".join(bench.client_command(config=dead, socket="none")),
        }
        self._sshds = {}
        for name, command_line in commands.items():
            folder = str(bench.folder / name)
            os.mkdir(folder, 0o755)
            self._sshds[name] = stack.enter_context(Sshd(folder, command_line))
            self._sshds[name].authorize(USER, Path(f"{self.on_disk}.pub").read_text().strip())

    def case(self, name: str, sshd: str, offered: List[str], before: Callable[[], None] = nothing) -> Case:
        """One login with `ssh ... true`."""

        def measure() -> float:
            done = self._sshds[sshd].login(USER, offered, "true")
            if not done.ok:
                raise WrongAnswer(f"{name}: {done.errors}")
            return done.seconds * 1000

        return Case(f"ssh, {name}", measure, before, 7)

    def ordinary(self) -> List[Case]:
        """The logins of a quiet host: keys on disk and pushed keys, with and without eic-sshd."""
        push, fourth = self._bench.push, self.others
        return [
            self.case("key on disk, no eic-sshd", "plain", [self.on_disk]),
            self.case("key on disk, eic-sshd", "daemon", [self.on_disk], push),
            self.case("pushed key", "daemon", [self.others[0]], lambda: push(self.others[0])),
            self.case("pushed key is the fourth offered", "daemon", fourth, lambda: push(self.others[3])),
            self.case("key on disk behind another, no eic-sshd", "plain", [self.unknown, self.on_disk]),
            self.case("key on disk behind another, eic-sshd", "daemon", [self.unknown, self.on_disk], push),
        ]

    def with_imds_faults(self) -> List[Case]:
        """The key on disk is offered second, so that sshd runs its command for the first; the cache is empty."""
        offered = [self.unknown, self.on_disk]

        def fault(name: str) -> Callable[[], None]:
            def before() -> None:
                self._bench.push()
                self._bench.control("PUT", f"faults/{name}")
                self._bench.clear_cache()

            return before

        faults = {
            "hangs": "hang",
            "answers 500": "error-500",
            "pours garbage": "garbage",
            "drips a byte a second": "slow",
        }
        return [
            self.case("the same, IMDS absent", "absent", offered),
            *(self.case(f"the same, IMDS {text}", "daemon", offered, fault(name)) for text, name in faults.items()),
        ]


def _rival_listens() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((oslogin.ADDRESS, 80)) == 0


def rivals(bench: Bench, stack: contextlib.ExitStack) -> List[Case]:
    """Google's helper, if it is available; a shell helper, if RIVAL names its command."""
    found = []
    key = bench.key()
    binary = oslogin.binary(os.path.join(ROOT, oslogin.FOLDER))
    if binary is not None:
        line = Path(f"{key}.pub").read_text().strip()
        stand_in = subprocess.Popen([sys.executable, "-m", "benchmarks.oslogin", "serve", line])
        stack.callback(lambda: processes.stop(stand_in))
        waiting.until(_rival_listens, "the rival's metadata server listens")
        found.append(command("rival: google_authorized_keys", [binary, USER], 1))
    else:
        print(f"{oslogin.PACKAGE} cannot be run here: that rival is left out", file=sys.stderr)
    rival = os.environ.get("RIVAL")
    if rival:
        name = f"rival: {Path(shlex.split(rival)[0]).name}"
        found.append(command(name, [*shlex.split(rival), USER, fingerprint(key)], 0, bench.push))
    return found
