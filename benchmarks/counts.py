# SPDX-License-Identifier: Apache-2.0
"""Counts: requests to IMDS, memory, answers after the daemon was killed, the time to read the log."""

from __future__ import annotations

import contextlib
import time
from typing import Dict, Iterator

from testbed import private_host, processes
from testbed.imds_proxy import serving

from . import load
from .bench import USER, Bench, memory_mib
from .journal import journal_counts

_ANSWER = 256 * 1024  # bytes of an answer
_CALLERS = 16


def counts(bench: Bench, stack: contextlib.ExitStack) -> Iterator[str]:
    """A line for each count."""
    yield from _requests(bench)
    resident, peak = (memory_mib(bench.service.pid, field) for field in ("VmRSS", "VmHWM"))
    yield f"memory of the daemon after all this: {resident:.1f} MiB resident, {peak:.1f} MiB at its peak"
    for name, peak, slowest in _peaks(bench, stack):
        slow = f"the slowest answer took {slowest:.0f} ms"
        yield f"peak memory, {_CALLERS} callers, IMDS answers {name}: {peak:.1f} MiB; {slow}"
    orphaned = load.killed_daemon(bench)
    yield (
        f"daemon killed under {load.ORPHANS} callers, all cores busy: {orphaned.right} answered right, "
        f"the slowest after {orphaned.slowest:.0f} ms"
    )
    yield _idle(bench)
    if private_host.is_inside():
        yield from journal_counts()


def _requests(bench: Bench) -> Iterator[str]:
    key = bench.key()
    bench.push(key)
    before = bench.imds_requests()
    for _ in range(2):  # sshd asks for the offered key and for its signature
        bench.printed_keys(key)
    yield f"IMDS requests for a login with a pushed key, warm: {bench.imds_requests() - before}"
    before = bench.imds_requests()
    bench.printed_keys(bench.key())
    yield f"IMDS requests for an offered key that is not pushed, warm: {bench.imds_requests() - before}"


def bad_answers() -> Dict[str, bytes]:
    """The answers that are most expensive to parse."""
    block = b"#Timestamp=1\n#Instance=i\nssh-rsa AAAA\nAA==\n\n"
    pieces = {
        "blocks of one byte": b"x\n\n",
        "blocks of one header": b"#\n\n",
        "tiny whole blocks": block,
        "headers without end": b"#a\n",
        "lines without end": b"x\n",
        "one line": b"x",
    }
    return {name: piece * (_ANSWER // len(piece)) for name, piece in pieces.items()}


def _peaks(bench: Bench, stack: contextlib.ExitStack) -> Iterator[tuple[str, float, float]]:
    """For each bad answer, with a new daemon: its name, the daemon's peak memory in MiB, the slowest answer in ms."""
    imds, address = stack.enter_context(serving(bench.imds))
    config = bench.write_config("peak.conf", address)
    for at, (name, answer) in enumerate(bad_answers().items()):
        path, daemon = bench.start_daemon(f"peak{at}.sock", config)
        imds.keys = answer
        slowest = 0.0
        for fingerprint_ in ([], ["SHA256:AAAA"]):  # any key, and one fingerprint
            arguments = bench.client_command(USER, *fingerprint_, config=config, socket=path)
            slowest = max([slowest, *(one.milliseconds for one in load.at_once([arguments] * _CALLERS))])
        yield name, memory_mib(daemon.pid, "VmHWM"), slowest
        daemon.kill()  # it may still be busy
        daemon.wait()


def _idle(bench: Bench) -> str:
    config = bench.write_config("idle.conf", extra="[service]\nidle_exit = 1\n")
    path = str(bench.folder / "run/idle.sock")
    idle = processes.daemon(str(bench.tree), path, config, bench.uid)
    bench.printed_keys(bench.key(), config, path)
    begun = time.monotonic()
    status = idle.wait(timeout=10)
    return f"a daemon with idle_exit = 1 ended by itself after {time.monotonic() - begun:.1f} s, status {status}"
