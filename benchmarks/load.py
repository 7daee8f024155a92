# SPDX-License-Identifier: Apache-2.0
"""Many callers at once: a hundred logins, callers that wait for a slow IMDS, callers of a daemon that is killed."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import socket
import subprocess
import threading
import time
from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence

from testbed import processes, waiting
from testbed.imds_proxy import serving
from testbed.namespaces import as_uid

from .bench import USER, Bench, fingerprint
from .measure import PYTHON, Case, Ran, WrongAnswer, command, ran

STORM = 100
WAITING = 64
ORPHANS = 40
_MOST_WAIT = 16  # requests at which most callers wait


def storm(bench: Bench) -> Case:
    """A hundred at once, half with pushed keys, compared with a hundred bare Pythons: milliseconds for all of them."""
    keys = [bench.key() for _ in range(STORM)]
    logins_at_once = [(bench.client_command(USER, fingerprint(key)), at % 2 == 0) for at, key in enumerate(keys)]

    def logins() -> float:
        begun = time.perf_counter()
        printed = at_once([arguments for arguments, _ in logins_at_once])
        elapsed = (time.perf_counter() - begun) * 1000
        wrong = sum((one.printed.count(b"\n") == 1) != pushed for one, (_, pushed) in zip(printed, logins_at_once))
        if wrong:
            raise WrongAnswer(f"{wrong} of {STORM} logins at once were answered wrong")
        return elapsed

    def pythons() -> float:
        begun = time.perf_counter()
        at_once([PYTHON] * STORM)
        return (time.perf_counter() - begun) * 1000

    case = Case(f"{STORM} logins at once", logins, lambda: bench.push(*keys[::2]), 5, pythons)
    case.against = f"{STORM} bare Pythons at once"
    return case


def at_once(commands: Sequence[Sequence[str]]) -> List[Ran]:
    """Run all commands at the same time, each from a thread of its own."""
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(ran, commands))


def cached_while_others_wait(bench: Bench, stack: contextlib.ExitStack) -> Case:
    """A cached key is requested again while 64 others wait for IMDS."""
    imds, address = stack.enter_context(serving(bench.imds))
    config = bench.write_config("waiting.conf", address)
    path, _ = bench.start_daemon("waiting.sock", config)
    key, other = bench.key(), fingerprint(bench.key())
    waiters: List[subprocess.Popen[bytes]] = []
    again = command(
        f"a remembered key while {WAITING} wait for IMDS",
        bench.client_command(USER, fingerprint(key), config=config, socket=path),
        1,
    )
    plain = again.measure

    def before() -> None:
        imds.delay = 0.0
        bench.push(key)
        if "ssh-" not in bench.printed_keys(key, config, path):
            raise WrongAnswer("the key that is to be remembered was not granted")
        imds.delay = 0.8
        arguments = bench.client_command(USER, other, config=config, socket=path)
        waiters[:] = [subprocess.Popen(arguments, stdout=subprocess.DEVNULL, env={}) for _ in range(WAITING)]
        _await_most(lambda: imds.waiting >= _MOST_WAIT)
        time.sleep(0.2)

    def measure() -> float:
        try:
            return plain()
        finally:
            for waiter in waiters:
                waiter.wait(timeout=30)

    again.before, again.measure, again.rounds = before, measure, 5
    return again


def _await_most(enough: Callable[[], bool]) -> None:
    """Return when most callers wait, or after 3 s: the measurement is valid with fewer too."""
    with contextlib.suppress(waiting.TimedOut):
        waiting.until(enough, "most callers wait", timeout=3)


class Orphaned(NamedTuple):
    """How many of the callers got the right answer, and the milliseconds of the slowest."""

    right: int
    slowest: float


def killed_daemon(bench: Bench) -> Orphaned:
    """Kill the daemon while forty callers wait for IMDS and all cores are busy with other work."""
    config = bench.write_config("killed.conf")
    keys = [bench.key() for _ in range(ORPHANS)]
    prints = [fingerprint(key) for key in keys]
    bench.push(*keys)
    path = str(bench.folder / "run/killed.sock")
    with Activated(bench, path, config) as activated, busy(os.cpu_count() or 1):
        bench.printed_keys(keys[0], config, path)
        bench.control("PUT", "faults/hang")
        before = bench.imds_requests()
        arguments = [bench.client_command(USER, one, config=config, socket=path) for one in prints[1:] + prints[:1]]
        with concurrent.futures.ThreadPoolExecutor(ORPHANS) as pool:
            under_way = [pool.submit(ran, one) for one in arguments]
            _await_most(lambda: bench.imds_requests() - before >= _MOST_WAIT)
            bench.control("DELETE", "faults")
            activated.kill()
            answers = [one.result() for one in under_way]
    right = sum(one.printed.count(b"\n") == 1 for one in answers)
    return Orphaned(right, max(one.milliseconds for one in answers))


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep `count` cores busy with endless loops."""
    loops = [subprocess.Popen(["/usr/bin/python3", "-ISc", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


# sd_listen_fds(3): the socket is descriptor 3, and LISTEN_PID is the daemon's process id.
_HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Activated:
    """A listening socket and its daemon, which is started again whenever it ends, as systemd does."""

    def __init__(self, bench: Bench, path: str, config: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        os.chown(path, bench.uid, -1)
        os.chmod(path, 0o600)
        self._listener.listen(1024)
        hand_over = ["/usr/bin/python3", "-ISc", _HAND_OVER, str(self._listener.fileno())]
        self._command = as_uid(bench.uid, [*hand_over, *processes.serve_command(str(bench.tree), "--config", config)])
        self._over = False
        self._process = self._started()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def __enter__(self) -> Activated:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._process.terminate()
        self._keeper.join()
        self._listener.close()

    def kill(self) -> None:
        """Kill the daemon with SIGKILL; it is started again."""
        self._process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        environment: Dict[str, str] = {"PATH": os.environ["PATH"]}
        return subprocess.Popen(self._command, env=environment, pass_fds=[self._listener.fileno()])

    def _keep(self) -> None:
        while not self._over:
            self._process.wait()
            if not self._over:
                self._process = self._started()
