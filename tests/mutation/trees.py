# SPDX-License-Identifier: Apache-2.0
"""Copies of the project in which one file at a time is a mutant's, and runs of its unit tests there.

A run is a fork of this process, in which pytest and the third parties' modules are loaded already and the project's own
are not: it costs some tenths of a second, and shares nothing with the run before it.
"""

from __future__ import annotations

import compileall
import contextlib
import gc
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, NoReturn, Optional, Sequence, Tuple

import hypothesis
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from .reach import Chosen, Reached, Recorder

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "build", ".*_cache", ".hypothesis", "__pycache__")
# Every package of the project: one that is left out would be loaded once, with the original modules that it uses, and a
# mutant that only its tests reach would live.
_OURS = tuple(sorted(path.parent.name for path in ROOT.glob("*/__init__.py")))
_MEMORY = 4 * 1024**3  # bytes that a run may take
_IDLE = 8.0  # seconds for which a run may do nothing at all: no test waits for half as long
HANGS = "it hangs"
# Slow, and no test of one check.
_LEFT_OUT_TESTS = ("tests/unit/fuzz/test_targets.py",)
_ATTEMPTS = 3  # to have every test pass on the original
# The exit statuses of pytest: all passed; some failed; collecting failed; a conftest.py raised something, or could not
# be imported.
_PASSED, _FAILED, _INTERRUPTED, _INTERNAL, _UNUSABLE = 0, 1, 2, 3, 4


class Broken(Exception):
    """The tests cannot be run at all, whatever the mutant; says why."""


class Outcome(NamedTuple):
    """How a run ended: `killer` is the test that failed, or what else ended it; None where all passed."""

    killer: Optional[str]


class Run:
    """A run under way: `ended` gives its outcome once it has one."""

    def __init__(self, pid: int, tree: Tree) -> None:
        self._pid = pid
        self._tree = tree
        self._ticks = 0
        self._active_at = self._looked_at = time.monotonic()

    def ended(self) -> Optional[Outcome]:
        """None while it goes on."""
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid == 0:
            if not self._hangs():
                return None
            self.stop()
            return Outcome(HANGS)
        self._end_all()  # what the tests may have left
        return self._outcome(os.waitstatus_to_exitcode(status))

    def _hangs(self) -> bool:
        """Whether it has done nothing for too long: it waits for what will never come."""
        now = time.monotonic()
        if now - self._looked_at > 0.5:
            self._looked_at = now
            fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])  # utime and stime: proc_pid_stat(5)
            if ticks != self._ticks:
                self._ticks, self._active_at = ticks, now
        return now - self._active_at > _IDLE

    def stop(self) -> None:
        """End it, whatever it is at."""
        self._end_all()
        with contextlib.suppress(ChildProcessError):  # it has ended already
            os.waitpid(self._pid, 0)

    def _end_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)

    def _outcome(self, code: int) -> Outcome:
        if code == _PASSED:
            return Outcome(None)
        if code == _FAILED:
            return Outcome(self._tree.result.read_text() or "an error")
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return Outcome(HANGS)
        if code == _INTERRUPTED or code < 0:
            return Outcome("collecting the tests" if code > 0 else f"signal {-code}")
        output = self._tree.output.read_text(errors="replace")
        if code in (_INTERNAL, _UNUSABLE) and "conftest.py" in output:
            return Outcome("loading conftest.py")
        raise Broken(f"pytest ended with status {code}:\n{output[-4000:]}")


class Tree:
    """A copy of the project below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.output = folder / "output"
        self.result = folder / "result"
        self._scratch = folder / "scratch"
        self._stamp = int(time.time())
        shutil.copytree(ROOT, self.root, ignore=_LEFT_OUT)
        for name in _OURS:
            compileall.compile_dir(self.root / name, quiet=1)

    @contextlib.contextmanager
    def changed(self, module: str, source: str) -> Iterator[None]:
        """The file `module` is `source` while this lasts."""
        path = self.root / module
        original = path.read_bytes()
        self._write(path, source.encode())
        try:
            yield
        finally:
            self._write(path, original)

    def _write(self, path: Path, content: bytes) -> None:
        # Compiled code is known by size and second: no two versions of a file may have the same second.
        self._stamp += 1
        path.write_bytes(content)
        os.utime(path, (self._stamp, self._stamp))

    def start(self, tests: Sequence[str], seconds: float) -> Run:
        """Begin to run the tests of these node ids, in this order, until one fails. They may compute for `seconds`."""
        self.result.write_text("")
        pid = os.fork()
        if pid == 0:
            self._in_child(lambda: self._run_chosen(tests, int(seconds)))
        return Run(pid, self)

    def record(self, modules: Sequence[str], folder: str = "tests/unit") -> Tuple[Dict[str, Reached], List[str]]:
        """What each test of `folder` reaches of `modules`, and the names of the others' modules that they load.

        Raises Broken if one fails.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            pid = os.fork()
            if pid == 0:
                self._in_child(lambda: self._run_recorded(modules, folder))
            _, status = os.waitpid(pid, 0)
            if os.waitstatus_to_exitcode(status) == 0:
                break
            problem = f"the tests fail without a mutant:\n{self.output.read_text()[-4000:]}"
            if attempt == _ATTEMPTS:
                raise Broken(problem)
            print(problem, file=sys.stderr)
        tests, loaded = json.loads(self.result.read_text())
        reached = {
            name: Reached(seconds, {(file, line) for file, line in lines}) for name, (seconds, lines) in tests.items()
        }
        return reached, loaded

    def _run_chosen(self, tests: Sequence[str], seconds: int) -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        sys.dont_write_bytecode = True
        chosen = Chosen(list(tests))
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        status = self._pytest(["-x", *files], chosen)
        self.result.write_text(chosen.failed)
        return status

    def _run_recorded(self, modules: Sequence[str], folder: str) -> int:
        recorder = Recorder([str(self.root / module) for module in modules])
        status = self._pytest([folder, *(f"--ignore={name}" for name in _LEFT_OUT_TESTS)], recorder)
        prefix = f"{self.root}/"
        tests = {
            name: (one.seconds, [(file[len(prefix) :], line) for file, line in one.lines])
            for name, one in recorder.tests.items()
        }
        loaded = [name for name in sys.modules if name.partition(".")[0] not in _OURS]
        self.result.write_text(json.dumps((tests, loaded)))
        return status

    def _pytest(self, arguments: List[str], plugin: object) -> int:
        # What only explains a failure is left out: that one fails is enough.
        quiet = ["-q", "--no-header", "--tb=line", "--assert=plain", f"--basetemp={self._scratch}"]
        quiet += ["-p", "no:cacheprovider", "-p", "no:unraisableexception", "-p", "no:threadexception"]
        return int(pytest.main([*quiet, *arguments], plugins=[plugin]))

    def _in_child(self, run: Callable[[], int]) -> NoReturn:
        """Run the tests and end this process with their status."""
        status = 3
        try:
            os.setsid()
            _redirect(self.output)
            _forget_ours()
            sys.path[:] = [str(self.root), *(path for path in sys.path if path not in ("", str(ROOT)))]
            os.chdir(self.root)
            hypothesis.settings.register_profile(
                "mutation",
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            hypothesis.settings.load_profile("mutation")
            KEYS.deal()
            status = run()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


class _Keys:
    """Keys made ahead, since making one takes as long as many a test: each run is dealt the same ones."""

    def __init__(self) -> None:
        self._make_rsa, self._make_dsa = rsa.generate_private_key, dsa.generate_private_key
        self._rsa: Dict[int, List[rsa.RSAPrivateKey]] = {}
        self._dsa: List[dsa.DSAPrivateKey] = []

    def make(self, count: int) -> None:
        self._rsa = {bits: [self._make_rsa(65537, bits) for _ in range(count)] for bits in (1024, 2048)}
        self._dsa = [self._make_dsa(2048) for _ in range(2)]

    def deal(self) -> None:
        """From here on this process gets the keys that were made, and others when they are used up."""
        left = {bits: iter(keys) for bits, keys in self._rsa.items()}
        left_dsa = iter(self._dsa)

        def deal(public_exponent: int, key_size: int, *_: object) -> rsa.RSAPrivateKey:
            key = next(left.get(key_size, iter(())), None) if public_exponent == 65537 else None
            return key or self._make_rsa(public_exponent, key_size)

        def deal_dsa(key_size: int, *_: object) -> dsa.DSAPrivateKey:
            key = next(left_dsa, None) if key_size == 2048 else None
            return key or self._make_dsa(key_size)

        rsa.generate_private_key = deal  # type: ignore[assignment]
        dsa.generate_private_key = deal_dsa  # type: ignore[assignment]


KEYS = _Keys()


def preload(names: Sequence[str]) -> None:
    """Load these modules here, so that no run has to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some expect to be loaded by pytest only
        for name in names:
            with contextlib.suppress(ImportError):
                __import__(name)
    gc.collect()
    gc.freeze()  # no run looks through all of that again


def _redirect(output: Path) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _forget_ours() -> None:
    """The project's own modules are loaded from the copy, whatever this process has of them."""
    for name in list(sys.modules):
        if name.partition(".")[0] in _OURS:
            del sys.modules[name]
