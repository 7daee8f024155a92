# SPDX-License-Identifier: Apache-2.0
"""Calls with a time limit, for what cannot be interrupted otherwise, such as a read from a network disk."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Callable, List, Tuple, TypeVar, Union

if TYPE_CHECKING:
    from queue import SimpleQueue

T = TypeVar("T")


class TimedCalls:
    """Makes each call in another thread, which is kept for the next one; at most `most` calls at one time."""

    def __init__(self, most: int) -> None:
        self._slots = threading.BoundedSemaphore(most)
        self._idle: List[SimpleQueue[Callable[[], None]]] = []

    def call(self, function: Callable[[], T], seconds: float) -> T:
        """What `function` returns or raises.

        Raises TimeoutError (an OSError) if it does not end within `seconds`, or cannot begin because so many others do
        not end.
        """
        from queue import Empty, SimpleQueue  # late: most processes make no such call

        until = time.monotonic() + seconds
        results: SimpleQueue[Union[Tuple[T], BaseException]] = SimpleQueue()

        def run() -> None:
            try:
                results.put((function(),))
            except BaseException as error:  # raised below, in the thread that waits
                results.put(error)

        if not self._slots.acquire(timeout=seconds):
            raise TimeoutError(f"too many such calls hang: none ended within {seconds:g} s")
        try:
            self._worker().put(run)
        except RuntimeError as error:  # no more threads can be started
            self._slots.release()
            raise TimeoutError(str(error)) from error
        try:
            result = results.get(timeout=max(until - time.monotonic(), 0))
        except Empty:
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        if isinstance(result, BaseException):
            raise result
        return result[0]

    def _worker(self) -> SimpleQueue[Callable[[], None]]:
        """The queue from which an idle thread takes its next call. Raises RuntimeError if no thread can be started."""
        from queue import SimpleQueue

        try:
            return self._idle.pop()
        except IndexError:
            calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
            threading.Thread(target=self._work, args=(calls,), daemon=True).start()
            return calls

    def _work(self, calls: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            calls.get()()
            self._idle.append(calls)
            self._slots.release()
