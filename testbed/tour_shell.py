# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of the tour on its machines, and shows each with what it printed."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import textwrap
import time
from dataclasses import dataclass
from typing import Iterator, Mapping, Sequence

COLUMNS = 100
_INDENT = "    "
_COMMAND_TIMEOUT = 120.0  # seconds; a command takes a few on a busy machine


class Unexpected(RuntimeError):
    """A step did not have the result that it must have."""


@dataclass(frozen=True)
class Machine:
    """Where commands run: `enter` runs a command there; `prompt` is what a shell there shows."""

    prompt: str
    enter: Sequence[str]
    environment: Mapping[str, str]
    folder: str

    def succeed(self, command: str, expected: str) -> float:
        """Run and show a shell command; see `_run`. Raises Unexpected unless its exit status is 0."""
        return self._run(command, expected, True)

    def fail(self, command: str, expected: str) -> float:
        """Run and show a shell command; see `_run`. Raises Unexpected if its exit status is 0."""
        return self._run(command, expected, False)

    def evaluate(self, command: str) -> Mapping[str, str]:
        """Run and show a shell command that changes the environment. Returns that. Raises CalledProcessError."""
        print(f"{_INDENT}{self.prompt} {command}", flush=True)
        done = subprocess.run(
            [*self.enter, "env", f"--chdir={self.folder}", "sh", "-euc", f"{command}; env -0"],
            stdout=subprocess.PIPE, text=True, env=self.environment, check=True,
        )  # fmt: skip
        return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)

    def _run(self, command: str, expected: str, ok: bool) -> float:
        """Returns how long it took, in seconds. Raises Unexpected unless its output matches `expected`."""
        print(f"{_INDENT}{self.prompt} " + command.replace("\n", f"\n{_INDENT}    "), flush=True)
        begun = time.monotonic()
        master, slave = pty.openpty()
        with open(master, "rb", buffering=0, closefd=True) as terminal, subprocess.Popen(
            [*self.enter, "env", f"--chdir={self.folder}", "sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env=self.environment,
        ) as process:  # fmt: skip
            os.close(slave)
            try:
                printed = "\n".join(map(_show, _lines(terminal.fileno(), begun + _COMMAND_TIMEOUT)))
                status = process.wait(timeout=_COMMAND_TIMEOUT)
            finally:
                process.kill()
        if (status == 0) != ok:
            raise Unexpected(f"`{command}` must {'succeed' if ok else 'fail'}: status {status}")
        if not re.search(expected, printed):
            raise Unexpected(f"`{command}` must print {expected!r}: {printed!r}")
        return time.monotonic() - begun


def step(title: str, why: str = "") -> None:
    """Print the title of a step, and what it shows."""
    print(f"\n==> {title}", flush=True)
    for line in textwrap.wrap(why, COLUMNS - len(_INDENT), break_on_hyphens=False):
        print(_INDENT + line, flush=True)


def _show(line: str) -> str:
    """Print a line of output. Returns it."""
    indent = _INDENT + "  "
    width = COLUMNS - len(indent)
    folded = textwrap.wrap(line, width, break_on_hyphens=False, break_long_words=False)
    for part in [line] if len(line) <= width else folded:
        print(indent + part, flush=True)
    return line


def _lines(terminal: int, deadline: float) -> Iterator[str]:
    """The lines that are written to the terminal until nothing has it open. Raises Unexpected at the deadline."""
    pending = b""
    while True:
        if not select.select([terminal], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise Unexpected(f"a command did not end within {_COMMAND_TIMEOUT:g} s")
        try:
            data = os.read(terminal, 65536)
        except OSError:  # EIO: Linux's end of a terminal
            data = b""
        *whole, pending = (pending + data).split(b"\n")
        for line in whole if data else [*whole, pending]:
            text = line.decode("utf-8", "replace").rstrip("\r ")
            if text:
                yield text
        if not data:
            return
