# SPDX-License-Identifier: Apache-2.0
"""`make bench`: every way a login can go, beside starting Python and beside rivals, in one run."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import itertools
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import requests

from docs.generate import ROOT
from eic_sshd.sandbox import private_host, processes
from eic_sshd.sandbox.sshd import Sshd, free_port, keygen

from . import oslogin, picture
from .measure import Case, WrongAnswer, command, nothing, run, table

PYTHON = ["/usr/bin/python3", "-IS", "-c", "pass"]
USER = "ec2-user" if private_host.is_inside() else "root"
STORM = 100


class Bench:
    """The installed tree, the sandbox and the authorizer of one run, in `folder`."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={self.tree}"], check=True)
        self.front_door = str(self.tree / "usr/lib/eic-sshd/authorized-keys")
        facts = stack.enter_context(processes.sandbox(str(folder / "sandbox"), "--window", "3000"))
        if os.geteuid() == 0:  # the real IMDS does not wait for this machine's processors
            os.setpriority(os.PRIO_PROCESS, facts["pid"], -15)
        self._control = facts["endpoints"]["control"]
        self._session = stack.enter_context(requests.Session())
        self._session.trust_env = False
        self._numbers = itertools.count()
        self.uid = private_host.ACCOUNTS[private_host.COMMAND_USER] if private_host.is_inside() else os.geteuid()
        run_folder = folder / "run"
        run_folder.mkdir()
        os.chown(run_folder, self.uid, -1)
        log = run_folder / "decisions.jsonl"  # root's front door and the authorizer both write to it
        log.touch()
        log.chmod(0o666)
        self._stack = stack
        self.config = self.configured("warm.conf")
        self.socket, self.service = self.serving("authorize.sock", self.config)

    def serving(self, name: str, config: str) -> Tuple[str, subprocess.Popen[bytes]]:
        """An authorizer that goes by `config`: its socket, and its process."""
        path = str(self.folder / "run" / name)
        service = processes.authorizer(str(self.tree), path, config, self.uid)
        self._stack.callback(lambda: processes.stop(service))
        return path, service

    def configured(self, name: str, endpoint: str = "", extra: str = "") -> str:
        """A configuration for the sandbox, or another `endpoint`."""
        text = (self.folder / "sandbox/eic-sshd.conf").read_text()
        lines = [f"endpoint = {endpoint}" if endpoint and "endpoint" in line else line for line in text.splitlines()]
        path = self.folder / name
        log = f"[log]\ndestination = {self.folder}/run/decisions.jsonl\n"
        path.write_text("\n".join(lines) + f"\n[keys]\nwindow = 3600\n{log}{extra}")
        path.chmod(0o644)
        return str(path)

    def asking(self, *rest: str, config: str = "", socket: str = "") -> List[str]:
        """The front door's command line."""
        return [self.front_door, "--socket", socket or self.socket, "--config", config or self.config, *rest]

    def control(self, method: str, path: str, body: Optional[Dict[str, str]] = None) -> Dict[str, object]:
        answer = self._session.request(method, f"{self._control}/{path}", json=body, timeout=5)
        answer.raise_for_status()
        found: Dict[str, object] = answer.json()
        return found

    def key(self) -> str:
        """A new key pair; gives the private key's path."""
        path = str(self.folder / f"key{next(self._numbers)}")
        keygen(path)
        return path

    def push(self, *keys: str) -> None:
        """Let just these be pushed, and no fault be set."""
        self.control("DELETE", "faults")
        self.control("DELETE", "keys")
        for key in keys:
            self.control("POST", "keys", {"user": USER, "key": Path(f"{key}.pub").read_text()})

    def forget(self) -> None:
        """Let the authorizer forget all that it remembers (it reads its configuration anew)."""
        self.service.send_signal(signal.SIGHUP)
        time.sleep(0.05)

    def imds_requests(self) -> int:
        count = self.control("GET", "status")["imds_requests"]
        assert isinstance(count, int)
        return count

    def resident_kib(self) -> int:
        """The authorizer's resident memory, KiB."""
        status = Path(f"/proc/{self.service.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def fingerprint(key: str) -> str:
    listed = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True)
    return listed.stdout.split()[1]


def front_door_cases(bench: Bench) -> List[Case]:
    """The front door with the authorizer warm, cold, absent; with IMDS away."""
    keys = [bench.key() for _ in range(3)]
    one, none = fingerprint(keys[0]), fingerprint(bench.key())
    dead = bench.configured("dead.conf", f"http://127.0.0.1:{free_port()}")

    def fresh() -> None:  # the authorizer remembers its signer and no key
        bench.forget()
        bench.push(keys[1])
        subprocess.run(bench.asking(USER, fingerprint(keys[1])), stdout=subprocess.DEVNULL, env={}, check=True)
        bench.push(keys[0])

    alone = {"socket": "none"}
    chain = bench.configured("chain.conf", extra="[chain]\ncommand = /usr/bin/true %u\n")
    chained = bench.asking(USER, none, config=chain, socket=bench.serving("chain.sock", chain)[0])
    return [
        command("warm, no key", bench.asking(USER, none), 0, bench.push),
        command("warm, no key, a chained command", chained, 0, bench.push),
        command("warm, one key, from IMDS", bench.asking(USER, one), 1, fresh),
        command("warm, one key, asked again", bench.asking(USER, one), 1, lambda: bench.push(keys[0])),
        Case("first call, service not running", first_call(bench, one, lambda: bench.push(keys[0]))),
        command("in-process, no key", bench.asking(USER, none, **alone), 0, bench.push),
        command("in-process, one key", bench.asking(USER, one, **alone), 1, lambda: bench.push(keys[0])),
        command("in-process, three keys", bench.asking(USER, **alone), 3, lambda: bench.push(*keys)),
        command("in-process, IMDS refuses", bench.asking(USER, one, config=dead, **alone), 0, bench.push),
    ]


def hanging_cases(bench: Bench) -> List[Case]:
    """An IMDS that answers nothing. What follows must let the authorizer forget it."""
    one = fingerprint(bench.key())

    def anew() -> None:
        bench.control("PUT", "faults/hang")
        bench.forget()

    return [
        command("in-process, IMDS hangs", bench.asking(USER, one, socket="none"), 0, anew),
        command("service, IMDS hangs, first call", bench.asking(USER, one), 0, anew),
        command("service, IMDS hangs, later calls", bench.asking(USER, one), 0),
    ]


def first_call(bench: Bench, wanted: str, before: Callable[[], None]) -> Callable[[], float]:
    """A call that finds systemd's socket and no process behind it."""
    path = str(bench.folder / "run/first.sock")
    serve = [str(bench.tree / "usr/bin/eic-sshd"), "serve", "--config", bench.config]
    setpriv = ["setpriv", f"--reuid={bench.uid}", f"--regid={bench.uid}", "--clear-groups"]

    def measure() -> float:
        before()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        activate = [*setpriv, "systemd-socket-activate", "-l", path, *serve]
        process = subprocess.Popen(activate, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
        try:
            for _ in range(500):
                if os.path.exists(path):
                    break
                time.sleep(0.01)
            timed = command("first call", bench.asking(USER, wanted, socket=path), 1)
            return timed.measure()
        finally:
            processes.stop(process)

    return measure


def storm_cases(bench: Bench) -> List[Case]:
    """A hundred at once, half with pushed keys, beside a hundred bare Pythons: milliseconds for all of them."""
    keys = [bench.key() for _ in range(STORM)]
    asked = [(bench.asking(USER, fingerprint(key)), at % 2 == 0) for at, key in enumerate(keys)]

    def logins() -> float:
        bench.push(*keys[::2])
        begun = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(STORM) as pool:
            printed = list(pool.map(output, [arguments for arguments, _ in asked]))
        elapsed = (time.perf_counter() - begun) * 1000
        wrong = sum((text.count("\n") == 1) != pushed for text, (_, pushed) in zip(printed, asked))
        if wrong:
            raise WrongAnswer(f"{wrong} of {STORM} logins at once were answered wrong")
        return elapsed

    def pythons() -> float:
        begun = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(STORM) as pool:
            list(pool.map(output, [PYTHON] * STORM))
        return (time.perf_counter() - begun) * 1000

    return [Case(f"{STORM} bare Pythons at once", pythons, 3), Case(f"{STORM} logins at once", logins, 3)]


def output(arguments: Sequence[str]) -> str:
    return subprocess.run(arguments, stdout=subprocess.PIPE, text=True, env={}, check=True, timeout=60).stdout


class Logins:
    """An sshd that asks nobody, one that asks the authorizer, one whose front door finds no IMDS at all."""

    def __init__(self, bench: Bench, stack: contextlib.ExitStack) -> None:
        self._bench = bench
        self.on_disk, self.unknown, *self.others = [bench.key() for _ in range(6)]
        dead = bench.configured("absent.conf", f"http://127.0.0.1:{free_port()}")
        asking = {
            "plain": None,
            "asking": " ".join(bench.asking()),
            "absent": " ".join(bench.asking(config=dead, socket="none")),
        }
        self._sshds = {}
        for name, asked in asking.items():
            folder = str(bench.folder / name)
            os.mkdir(folder, 0o755)
            self._sshds[name] = stack.enter_context(Sshd(folder, asked))
            self._sshds[name].authorize(USER, Path(f"{self.on_disk}.pub").read_text().strip())

    def case(self, name: str, sshd: str, offered: List[str], before: Callable[[], None] = nothing) -> Case:
        """One whole `ssh ... true`."""

        def measure() -> float:
            before()
            done = self._sshds[sshd].login(USER, offered, "true")
            if not done.ok:
                raise WrongAnswer(f"{name}: {done.errors}")
            return done.seconds * 1000

        return Case(f"ssh, {name}", measure, 7)

    def ordinary(self) -> List[Case]:
        push, fourth = self._bench.push, self.others
        return [
            self.case("key on disk, no eic-sshd", "plain", [self.on_disk]),
            self.case("key on disk, eic-sshd", "asking", [self.on_disk], push),
            self.case("pushed key", "asking", [self.others[0]], lambda: push(self.others[0])),
            self.case("pushed key is the fourth offered", "asking", fourth, lambda: push(self.others[3])),
            self.case("key on disk behind another, no eic-sshd", "plain", [self.unknown, self.on_disk]),
            self.case("key on disk behind another, eic-sshd", "asking", [self.unknown, self.on_disk], push),
        ]

    def with_imds_away(self) -> List[Case]:
        """The key on disk comes second, so that sshd asks for the first; the authorizer remembers nothing."""
        offered = [self.unknown, self.on_disk]

        def fault(name: str) -> Callable[[], None]:
            def before() -> None:
                self._bench.push()
                self._bench.control("PUT", f"faults/{name}")
                self._bench.forget()

            return before

        faults = {
            "hangs": "hang",
            "answers 500": "error-500",
            "pours garbage": "garbage",
            "drips a byte a second": "slow",
        }
        return [
            self.case("the same, IMDS absent", "absent", offered),
            *(self.case(f"the same, IMDS {text}", "asking", offered, fault(name)) for text, name in faults.items()),
        ]


def rival_cases(bench: Bench, stack: contextlib.ExitStack) -> List[Case]:
    """Google's helper where it can be had; a shell helper where RIVAL names its command."""
    found = []
    key = bench.key()
    binary = oslogin.binary(os.path.join(ROOT, oslogin.FOLDER))
    if binary is not None:
        line = Path(f"{key}.pub").read_text().strip()
        stand_in = subprocess.Popen([sys.executable, "-m", "benchmarks.oslogin", "serve", line])
        stack.callback(lambda: processes.stop(stand_in))
        time.sleep(1)
        found.append(command("rival: google_authorized_keys", [binary, USER], 1))
    else:
        print(f"{oslogin.PACKAGE} cannot be run here: that rival is left out", file=sys.stderr)
    rival = os.environ.get("RIVAL")
    if rival:
        name = f"rival: {Path(shlex.split(rival)[0]).name}"
        found.append(command(name, [*shlex.split(rival), USER, fingerprint(key)], 0, bench.push))
    return found


def facts(bench: Bench) -> Iterator[str]:
    """What is counted and not timed."""
    key = bench.key()
    bench.push(key)
    before = bench.imds_requests()
    for _ in range(2):  # sshd asks for the offered key and for its signature
        output(bench.asking(USER, fingerprint(key)))
    yield f"IMDS requests for a login with a pushed key, warm: {bench.imds_requests() - before}"
    before = bench.imds_requests()
    output(bench.asking(USER, fingerprint(bench.key())))
    yield f"IMDS requests for an offered key that is not pushed, warm: {bench.imds_requests() - before}"
    yield f"resident memory of the service after all this: {bench.resident_kib() / 1024:.1f} MiB"
    config = bench.configured("idle.conf", extra="[service]\nidle_exit = 1\n")
    path = str(bench.folder / "run/idle.sock")
    idle = processes.authorizer(str(bench.tree), path, config, bench.uid)
    output(bench.asking(USER, fingerprint(key), config=config, socket=path))
    begun = time.monotonic()
    status = idle.wait(timeout=10)
    yield f"a service with idle_exit = 1 ended by itself after {time.monotonic() - begun:.1f} s, status {status}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="rounds of each case (default: %(default)s)")
    parser.add_argument("--picture", metavar="FILE", help="draw the table as an SVG")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds takes a number above 0")
    if private_host.is_inside():
        private_host.bring_up_loopback(f"{oslogin.ADDRESS}/32")
        base = private_host.HOME
    else:
        print("not root: logins through a real sshd and rivals are left out", file=sys.stderr)
        base = os.path.expanduser("~")  # no configuration is read from below /tmp
    with tempfile.TemporaryDirectory(prefix="bench-", dir=base) as name, contextlib.ExitStack() as stack:
        os.chmod(name, 0o755)  # noqa: S103 - sshd's command must be readable
        bench = Bench(Path(name), stack)
        cases = [command("python3 -IS -c pass", PYTHON, 0), *front_door_cases(bench)]
        try:
            if private_host.is_inside():
                cases += rival_cases(bench, stack)
                logins = Logins(bench, stack)
                cases += logins.ordinary()
            run(cases, arguments.rounds)
            away = hanging_cases(bench)
            if private_host.is_inside():
                away += logins.with_imds_away()
            run(away, 3)
            cases += away
            bench.push()
            bench.forget()
            storms = storm_cases(bench)
            run(storms, 3)
            counted = list(facts(bench))
        except WrongAnswer as problem:
            print(f"eic-sshd: {problem}", file=sys.stderr)
            return 1
    print(table(cases + storms, cases[0]))
    print("\n".join(counted))
    if arguments.picture:
        with open(arguments.picture, "w", encoding="utf-8") as file:
            file.write(picture.svg(cases, cases[0], "eic-sshd: time until sshd has its answer, and until ssh is in"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
