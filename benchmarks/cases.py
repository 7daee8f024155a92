# SPDX-License-Identifier: Apache-2.0
"""One call of the client: with the daemon running, not yet running or absent, and with an IMDS that works or fails."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import Callable, Iterable, List, Sequence

from eic_sshd.host.process import library_paths
from testbed import processes
from testbed.sshd import free_port

from .bench import USER, Bench, fingerprint
from .measure import Case, command, timed

# The caller of a key that is pushed through the sandbox's control API.
_CALLER = "arn:aws:sts::123456789012:assumed-role/Sandbox/control"


def client_cases(bench: Bench) -> List[Case]:
    """What one login costs."""
    keys = [bench.key() for _ in range(3)]
    one, none = fingerprint(keys[0]), fingerprint(bench.key())
    dead = bench.write_config("dead.conf", f"http://127.0.0.1:{free_port()}")

    def fresh() -> None:  # the daemon has a verified signer and no cached key
        bench.clear_cache()
        bench.push(keys[1])
        bench.printed_keys(keys[1])
        bench.push(keys[0])

    policies = bench.write_config("policies.conf", extra=_ten_policies())
    with_policies = bench.start_daemon("policies.sock", policies)

    def fresh_with_policies() -> None:  # as `fresh`, for the daemon with policies
        with_policies[1].send_signal(signal.SIGHUP)
        time.sleep(0.05)
        for key in (keys[1], keys[0]):
            bench.push(key)
            if key != keys[0]:
                bench.printed_keys(key, policies, with_policies[0])

    ruled = bench.client_command("--token", "U=1000", USER, config=policies, socket=with_policies[0])
    chain = bench.write_config("chain.conf", extra="[chain]\ncommand = /usr/bin/true %u\n")
    chained = bench.client_command(USER, none, config=chain, socket=bench.start_daemon("chain.sock", chain)[0])
    return [
        command("warm, no key", bench.client_command(USER, none), 0, bench.push),
        command("warm, no key, a chained command", chained, 0, bench.push),
        command("warm, one key, from IMDS", bench.client_command(USER, one), 1, fresh),
        command("warm, no key, ten policies", [*ruled, none], 0, bench.push),
        command("warm, one key, from IMDS, ten policies", [*ruled, one], 1, fresh_with_policies),
        command("warm, one key, asked again", bench.client_command(USER, one), 1, lambda: bench.push(keys[0])),
        first_call(bench, one, lambda: bench.push(keys[0])),
        *in_process("no key", bench.client_command(USER, none, socket="none"), 0, bench.push),
        *in_process("one key", bench.client_command(USER, one, socket="none"), 1, lambda: bench.push(keys[0])),
        command("in-process, three keys", bench.client_command(USER, socket="none"), 3, lambda: bench.push(*keys)),
        command("in-process, IMDS refuses", bench.client_command(USER, one, config=dead, socket="none"), 0, bench.push),
    ]


def _ten_policies() -> str:
    """Ten policies; the last one has the sandbox's caller."""
    others = "".join(
        f'[policy "p{at}"]\ncallers = arn:aws:sts::123456789012:assumed-role/Role{at}/* '
        f"arn:aws:iam::123456789012:user/team{at}/${{os_user}}\nos_users = app-{at}* {USER}\n"
        for at in range(9)
    )
    return f'{others}[policy "last"]\ncallers = {_CALLER}\nos_users = {USER}\n'


def in_process(what: str, arguments: List[str], lines: int, before: Callable[[], None]) -> List[Case]:
    """A decision without the daemon, compared with a bare Python and with a Python that loads the same modules."""
    name = f"in-process, {what}"
    alike = command(f"{name}, beside its imports", arguments, lines, before)
    before()
    loading = ["/usr/bin/python3", "-IS", "-c", _loading(imported(arguments))]
    alike.base = lambda: timed(loading)
    alike.against = "Python with the same imports"
    return [command(name, arguments, lines, before), alike]


def imported(arguments: Sequence[str]) -> List[str]:
    """The modules, without our own, that the client loads in such a call, in order."""
    traced = subprocess.run(
        ["/usr/bin/python3", "-IS", "-X", "importtime", *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True, env={}, check=True,
    )  # fmt: skip
    return outermost(line for line in traced.stderr.splitlines() if line.startswith("import time:"))


def outermost(lines: Iterable[str]) -> List[str]:
    """The modules that our own modules load directly, in order, from the output of `-X importtime`.

    The line of a module follows those of the modules that it loads, which are indented by two more blanks.
    """
    chosen: List[str] = []
    above: List[bool] = []  # for each module that may load the next one: whether it is ours
    for line in reversed(list(lines)):
        text = line.rpartition("|")[2][1:].rstrip()
        name = text.lstrip()
        depth = (len(text) - len(name)) // 2
        ours = name.partition(".")[0] == "eic_sshd"
        if all(above[:depth]) and not ours:
            chosen.insert(0, name)
        above[depth:] = [ours]
    return [name for name in chosen if " " not in name]  # the heading of the table has a blank


def _loading(modules: Sequence[str]) -> str:
    """A program that only loads these modules, from the folders that the client uses."""
    folders = f"sys.path += {library_paths()!r}"
    return f"import gc, sys; gc.disable(); {folders}\nfor name in {list(modules)!r}: __import__(name)"


def first_call(bench: Bench, wanted: str, before: Callable[[], None]) -> Case:
    """A call with systemd's socket and no running daemon."""
    path = str(bench.folder / "run/first.sock")
    serve = processes.serve_command(str(bench.tree), "--config", bench.config)
    call = command("first call, daemon not running", bench.client_command(USER, wanted, socket=path), 1)
    plain = call.measure

    def measure() -> float:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        process = processes.socket_activated(path, serve, bench.uid)
        try:
            return plain()
        finally:
            processes.stop(process)

    call.measure, call.before = measure, before
    return call


def hanging(bench: Bench) -> List[Case]:
    """An IMDS that does not answer. The next cases must clear the daemon's cache first."""
    one = fingerprint(bench.key())

    def hang() -> None:
        bench.control("PUT", "faults/hang")
        bench.clear_cache()

    return [
        command("in-process, IMDS hangs", bench.client_command(USER, one, socket="none"), 0, hang, 3),
        command("warm, IMDS hangs, first call", bench.client_command(USER, one), 0, hang, 3),
        command("warm, IMDS hangs, later calls", bench.client_command(USER, one), 0, rounds=3),
    ]
