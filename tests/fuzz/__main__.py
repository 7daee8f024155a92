# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: gives every parser examples without end, for as long as it may take."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from hypothesis import HealthCheck, given, seed, settings

from eic_sandbox.pki.authority import Pki

from . import frames, services
from .targets import DOMAIN, REGION, Target, targets

_BATCH = 500


def fuzz(target: Target, seconds: float, first_seed: int) -> int:
    """How many examples `target` was given without an error that is not its own. Raises that error."""
    until = time.monotonic() + seconds
    number = first_seed
    count = 0

    def run(example: object) -> None:
        nonlocal count
        count += 1
        target.run(example)

    while time.monotonic() < until:
        checked = settings(max_examples=_BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
            seed(number)(given(target.inputs)(run))
        )
        checked()
        number += 1
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=540, help="for all targets together (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the first seed (default: by the clock)")
    parser.add_argument("--target", default="", metavar="TEXT", help="only targets whose name has TEXT in it")
    arguments = parser.parse_args()
    of_tunnels = Target(frames.NAME, frames.examples(), frames.run)
    everything = [*targets(Pki(REGION, DOMAIN)), *services.targets(), of_tunnels]
    chosen = [one for one in everything if arguments.target in one.name]
    failed = []
    for target in chosen:
        try:
            count = fuzz(target, arguments.seconds / len(chosen), arguments.seed)
            print(f"{target.name}: {count} examples", flush=True)
        except BaseException as error:  # a panic of a library in Rust is no Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            traceback.print_exc()
            failed.append(target.name)
            print(f"{target.name}: {type(error).__name__} (--seed {arguments.seed})", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "nothing but the parsers' own errors")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
