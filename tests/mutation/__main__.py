# SPDX-License-Identifier: Apache-2.0
"""`make mutate`: makes the mutants, runs the unit tests on each, and says which live."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Counter, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import rules, trees
from .by_hand import BY_HAND
from .equivalent import EQUIVALENT
from .reach import Reached
from .rules import Mutant
from .trees import Broken, Outcome, Run, Tree

# All that a decision goes through, from sshd's command on.
MODULES = tuple(
    f"eic_sshd/{name}.py"
    for name in (
        "client",
        "daemon/connection", "daemon/protocol", "daemon/server",
        "decide/authorizer", "decide/cache", "decide/checks", "decide/fallback", "decide/policy", "decide/pushed",
        "decide/signer_source",
        "host/groups", "host/hardware", "host/timed_calls", "host/trusted_files",
        "imds/availability", "imds/bounded", "imds/client", "imds/session",
        "model/caller_pattern", "model/key_options", "model/os_users", "model/partition", "model/public_key",
        "model/signed_key",
        "trust/certificate", "trust/ocsp", "trust/ocsp_response", "trust/openssl", "trust/path", "trust/profile",
        "trust/responders", "trust/roots", "trust/signatures", "trust/signer",
    )
)  # fmt: skip
# Of these modules, only what decides who may ask, who may answer, and whether an answer is whole: the rest is the life
# of a process, which the integration tests hold.
SCOPES: Dict[str, Tuple[str, ...]] = {
    "eic_sshd/client.py": ("parse", "ask", "exchange", "encode_request", "may_answer", "write", ""),
    "eic_sshd/daemon/server.py": (
        "Service._accept",
        "Service._begin",
        "Service._read_more",
        "Service._dispatch",
    ),
}
# Seconds that a run may compute beyond four times what its tests take on the original.
_EXTRA_TIME = 10.0
_KEYS_AHEAD = 24

Identity = Tuple[str, str, str, str]


class Job(NamedTuple):
    """A mutant under way."""

    mutant: Mutant
    run: Run
    tree: Tree
    change: contextlib.ExitStack


class Campaign:
    """Runs the tests on mutants, as many at one time as there are trees."""

    def __init__(self, trees_: Sequence[Tree], tests: Dict[str, Reached]) -> None:
        self._free = list(trees_)
        self._jobs: List[Job] = []
        self._tests = tests
        self._listed = listed()
        self._killers: Dict[Tuple[str, str], List[str]] = {}
        self._kills: Counter[Tuple[str, str]] = Counter()
        self.outcomes: List[Tuple[Mutant, Outcome]] = []

    def run(self, mutants: Sequence[Mutant]) -> None:
        """Fills `outcomes`."""
        waiting = list(reversed(mutants))
        try:
            while waiting or self._jobs:
                while waiting and self._free:
                    self._start(waiting.pop())
                self._collect()
                time.sleep(0.005)
        finally:
            for job in self._jobs:
                job.run.stop()
                job.change.close()

    def _start(self, mutant: Mutant) -> None:
        tests = self._chosen(mutant)
        if not tests:
            self._note(mutant, Outcome(None))
            return
        tree = self._free.pop()
        change = contextlib.ExitStack()
        change.enter_context(tree.changed(mutant.module, mutant.source))
        seconds = _EXTRA_TIME + 4 * sum(self._tests[name].seconds for name in tests)
        self._jobs.append(Job(mutant, tree.start(tests, seconds), tree, change))

    def _collect(self) -> None:
        for job in list(self._jobs):
            outcome = job.run.ended()
            if outcome is not None:
                self._jobs.remove(job)
                job.change.close()
                self._free.append(job.tree)
                self._note(job.mutant, outcome)

    def _note(self, mutant: Mutant, outcome: Outcome) -> None:
        self.outcomes.append((mutant, outcome))
        if outcome.killer is None and mutant.identity not in self._listed:
            print(f"ALIVE  {mutant.module}:{mutant.first} {mutant.function or '(module)'}: {mutant.rule}")
            print(f"       was: {mutant.was}\n       now: {mutant.now}", flush=True)
        if len(self.outcomes) % 100 == 0:
            print(f"{len(self.outcomes)} done", flush=True)
        if outcome.killer in self._tests:
            known = self._killers.setdefault((mutant.module, mutant.function), [])
            if outcome.killer in known:
                known.remove(outcome.killer)
            known.insert(0, outcome.killer)
            self._kills[mutant.module, outcome.killer] += 1

    def _in_files_that_use(self, module: str) -> List[str]:
        """The tests of every file in which a test reaches `module`: another may look at its values only."""
        using = {name for name, one in self._tests.items() if any(file == module for file, _ in one.lines)}
        files = {name.partition("::")[0] for name in using}
        return [name for name in self._tests if name.partition("::")[0] in files]

    def _chosen(self, mutant: Mutant) -> List[str]:
        """The tests that reach the mutant's statement: first those that killed its neighbours, or others of its module,
        then the fast ones."""
        spans = {(mutant.module, line) for line in range(mutant.first, mutant.last + 1)}
        reaching = [name for name, one in self._tests.items() if one.lines & spans]
        if mutant.at_import:
            reaching = self._in_files_that_use(mutant.module)
        killers = self._killers.get((mutant.module, mutant.function), [])
        rank = {name: at for at, name in enumerate(killers)}

        def likely_first(name: str) -> Tuple[int, int, float]:
            return rank.get(name, len(rank)), -self._kills[mutant.module, name], self._tests[name].seconds

        return sorted(reaching, key=likely_first)


def all_mutants(modules: Sequence[str]) -> Tuple[List[Mutant], List[str]]:
    """Those by rule and those by hand; and what is wrong with the list of those."""
    found: List[Mutant] = []
    problems: List[str] = []
    for module in modules:
        source = (trees.ROOT / module).read_text()
        by_rule = rules.mutants(module, source)
        found += [one for one in by_rule if one.function in SCOPES.get(module, (one.function,))]
        for one in BY_HAND:
            if one.module == module:
                try:
                    found.append(rules.replaced(module, source, one.old, one.new)._replace(rule=one.why))
                except ValueError as problem:
                    problems.append(f"BY HAND: {one.why}: {problem}")
    return found, problems


def listed() -> Dict[Identity, str]:
    """The mutants that are listed as equivalent, and why."""
    return {(one.module, one.function, one.was, now): one.reason for one in EQUIVALENT for now in one.now}


def report(outcomes: Sequence[Tuple[Mutant, Outcome]], modules: Sequence[str], everything: bool) -> bool:
    """Print what is listed wrongly, and how many live; whether there is neither."""
    equivalent = listed()
    alive = [mutant for mutant, outcome in outcomes if outcome.killer is None]
    unlisted = [mutant for mutant in alive if mutant.identity not in equivalent]
    wrong = []
    if everything:
        living: Set[Identity] = {mutant.identity for mutant in alive}
        made = {mutant.identity for mutant, _ in outcomes}
        for identity in equivalent:
            if identity[0] in modules and identity not in living:
                what = "is killed" if identity in made else "is not made any more"
                wrong.append(f"LISTED as equivalent, but {what}: {identity}")
    print("".join(f"{line}\n" for line in wrong), end="")
    hanging = sum(outcome.killer == trees.HANGS for _, outcome in outcomes)
    print(
        f"{len(outcomes)} mutants: {len(outcomes) - len(alive)} killed ({hanging} hang), "
        f"{len(alive) - len(unlisted)} equivalent, {len(unlisted)} alive"
    )
    return not unlisted and not wrong


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("--module", action="append", metavar="NAME", help="only this module's (several times: these)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only mutants of functions or statements with TEXT")
    parser.add_argument("--jobs", type=int, default=2, help="runs at one time (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="say of each what killed it")
    chosen = parser.parse_args(arguments)
    modules = [one for one in MODULES if not chosen.module or Path(one).stem in chosen.module]
    begun = time.monotonic()
    mutants, problems = all_mutants(modules)
    mutants = [one for one in mutants if chosen.only in f"{one.function} {one.was} {one.now} {one.rule}"]
    # Not below /tmp: nothing that decides who may log in is read where others can write.
    with tempfile.TemporaryDirectory(prefix="mutation-", dir=Path.home()) as folder:
        copies = [Tree(Path(folder) / str(number)) for number in range(chosen.jobs)]
        trees.KEYS.make(_KEYS_AHEAD)
        try:
            tests, loaded = copies[0].record(MODULES)
            trees.preload(loaded)
            campaign = Campaign(copies, tests)
            print(
                f"{len(mutants)} mutants, {len(tests)} tests; ready after {time.monotonic() - begun:.0f} s", flush=True
            )
            campaign.run(mutants)
        except Broken as problem:
            print(problem, file=sys.stderr)
            return 2
    if chosen.verbose:
        for mutant, outcome in campaign.outcomes:
            print(f"{mutant.module}:{mutant.first} {mutant.rule}: {mutant.now}\n    {outcome.killer}")
    good = report(campaign.outcomes, modules, everything=not chosen.only)
    print("".join(f"{problem}\n" for problem in problems), end="")
    print(f"{time.monotonic() - begun:.0f} s")
    return 0 if good and not problems else 1


if __name__ == "__main__":
    sys.exit(main())
