# SPDX-License-Identifier: Apache-2.0
"""`make bench`: each kind of login, paired with a bare Python just before it, and other helpers, in one run."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import List

from testbed import private_host

from . import cases, counts, load, logins, oslogin, picture, tunnel
from .bench import Bench
from .measure import Case, WrongAnswer, bare_python, run, save, table
from .measure import load as load_ratios


def measured(bench: Bench, peers: tunnel.Peers, stack: contextlib.ExitStack, rounds: int) -> List[Case]:
    """Every case, measured."""
    ordinary = [Case("python3 -IS -c pass", bare_python), *cases.client_cases(bench)]
    without_imds = cases.hanging(bench)
    if private_host.is_inside():
        ordinary += logins.rivals(bench, stack)
        whole = logins.Logins(bench, stack)
        ordinary += whole.ordinary()
        without_imds += whole.with_imds_faults()
    run(ordinary, rounds)
    run(without_imds, rounds)
    bench.push()
    bench.clear_cache()
    concurrent = [load.storm(bench), load.cached_while_others_wait(bench, stack)]
    run(concurrent, rounds)
    tunnels = tunnel.cases(peers)
    run(tunnels, rounds)
    return [*ordinary, *without_imds, *concurrent, *tunnels]


def main() -> int:
    """Run the benchmarks and print the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=41, help="rounds of each quick case (default: %(default)s)")
    parser.add_argument("--picture", metavar="FILE", help="draw the table as an SVG")
    parser.add_argument("--save", metavar="FILE", help="write every pair, as JSON")
    parser.add_argument("--before", metavar="FILE", help="show the ratios of a run that was saved beside this one's")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds takes a number above 0")
    if private_host.is_inside():
        private_host.bring_up_loopback(f"{oslogin.ADDRESS}/32")
        base = private_host.HOME
    else:
        print("not root: logins through a real sshd and rivals are left out", file=sys.stderr)
        base = os.path.expanduser("~")  # eic-sshd reads no configuration below /tmp
    with tempfile.TemporaryDirectory(prefix="bench-", dir=base) as name, contextlib.ExitStack() as stack:
        os.chmod(name, 0o755)  # noqa: S103 - sshd's command must be readable
        bench = Bench(Path(name), stack)
        try:
            peers = tunnel.Peers(Path(name, "tunnel"), stack)
            found = measured(bench, peers, stack, arguments.rounds)
            lines = [*counts.counts(bench, stack), *tunnel.lines(peers)]
        except WrongAnswer as problem:
            print(f"eic-sshd: {problem}", file=sys.stderr)
            return 1
    print(table(found, load_ratios(arguments.before) if arguments.before else {}))
    print("\n".join(lines))
    if arguments.save:
        save(found, arguments.save)
    if arguments.picture:
        shown = [case for case in found if not case.against]
        with open(arguments.picture, "w", encoding="utf-8") as file:
            file.write(picture.svg(shown, "eic-sshd: time until sshd has its answer, and until ssh is in"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
