# SPDX-License-Identifier: Apache-2.0
"""Which unit test reaches which line of the modules, and how long it takes: recorded once, by a pytest plugin."""

from __future__ import annotations

import sys
import threading
import time
from types import FrameType
from typing import Any, Callable, Collection, Dict, Generator, List, NamedTuple, Optional, Set, Tuple

import pytest


class Reached(NamedTuple):
    """One test: how many seconds it took, and what it reached, as (file, line)."""

    seconds: float
    lines: Set[Tuple[str, int]]


Trace = Callable[[FrameType, str, Any], Any]


class Recorder:
    """Records into `tests`, by node id, what each test reaches of `files` (absolute paths); and whether all passed."""

    def __init__(self, files: Collection[str]) -> None:
        self._files = frozenset(files)
        self._lines: Set[Tuple[str, int]] = set()
        self.tests: Dict[str, Reached] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._lines = set()
        begun = time.perf_counter()
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self.tests[item.nodeid] = Reached(time.perf_counter() - begun, self._lines)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Optional[Trace]:
        if frame.f_code.co_filename not in self._files:
            return None
        return self._line(frame, event, argument)

    def _line(self, frame: FrameType, _event: str, _argument: Any) -> Trace:
        self._lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


class Chosen:
    """Runs the tests of these node ids only, in this order; `failed` is the first that failed.

    Where the parameters of one are made by chance, so is its node id: then all of its function's are run.
    """

    def __init__(self, order: List[str]) -> None:
        self._order = {name: at for at, name in enumerate(order)}
        self.failed = ""

    def pytest_collection_modifyitems(self, items: List[pytest.Item]) -> None:
        missing = self._order.keys() - {item.nodeid for item in items}
        functions = {name.partition("[")[0]: self._order[name] for name in missing}
        places = [(self._order.get(one.nodeid, functions.get(one.nodeid.partition("[")[0])), one) for one in items]
        chosen = [(place, at, item) for at, (place, item) in enumerate(places) if place is not None]
        items[:] = [item for _, _, item in sorted(chosen, key=lambda one: one[:2])]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid
