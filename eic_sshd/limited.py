# SPDX-License-Identifier: Apache-2.0
"""Calls that nothing else would end, as to a disk that is a network's: given up after a time."""

from __future__ import annotations

import threading
import time
from typing import Callable, List, Tuple, TypeVar, Union

T = TypeVar("T")


class Limited:
    """Makes each call in a thread of its own. `most` are under way at one time, those that hang among them."""

    def __init__(self, most: int) -> None:
        self._slots = threading.BoundedSemaphore(most)

    def call(self, function: Callable[[], T], seconds: float) -> T:
        """What `function` gives or raises.

        Raises TimeoutError (an OSError) where that, or the wait for one of so many others to end, takes longer than
        `seconds`.
        """
        until = time.monotonic() + seconds
        results: List[Union[Tuple[T], BaseException]] = []

        def run() -> None:
            try:
                results.append((function(),))
            except BaseException as error:  # raised below, in the thread that waits
                results.append(error)
            finally:
                self._slots.release()

        if not self._slots.acquire(timeout=seconds):
            raise TimeoutError(f"too many such calls hang: none ended within {seconds:g} s")
        thread = threading.Thread(target=run, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no further thread can be had
            self._slots.release()
            raise TimeoutError(str(error)) from error
        thread.join(max(until - time.monotonic(), 0))
        if not results:
            raise TimeoutError(f"no answer within {seconds:g} s")
        if isinstance(results[0], BaseException):
            raise results[0]
        return results[0][0]
