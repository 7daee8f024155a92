# SPDX-License-Identifier: Apache-2.0
"""The machine's sshd, asked what it makes of its configuration (sshd(8), -t and -T)."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from typing import Dict, Iterator, List, Optional

from . import Refused

_PATIENCE = 60  # seconds for sshd to read its configuration
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class Sshd:
    """The sshd at `program`, with the configuration at `config`."""

    def __init__(self, program: str = "/usr/sbin/sshd", config: str = "/etc/ssh/sshd_config") -> None:
        self.program = program
        self.config = config

    def is_there(self) -> bool:
        return os.access(self.program, os.X_OK)

    def problem(self) -> Optional[str]:
        """What sshd finds wrong with its configuration; None if nothing."""
        done = self._run("-t")
        return None if done.returncode == 0 else _said(done)

    def effective(self) -> Dict[str, str]:
        """Keyword, in lower case, to the value in force outside of Match blocks; `none` where there is none."""
        done = self._run("-T")
        if done.returncode != 0:
            raise Refused(f"`{self.program} -T` fails, so what is in force can't be known: {_said(done)}")
        pairs = (line.partition(" ") for line in done.stdout.splitlines())
        return {keyword.lower(): value.strip() for keyword, _, value in reversed(list(pairs))}

    def _run(self, option: str) -> subprocess.CompletedProcess[str]:
        """Run it; what a machine that was never booted lacks, though its configuration is in order, is lent."""
        with contextlib.ExitStack() as lent:
            more: List[str] = []
            done = self._once(option, more)
            if "no hostkeys available" in done.stderr:
                more = ["-h", lent.enter_context(_host_key())]
                done = self._once(option, more)
            missing = re.search(r"Missing privilege separation directory: (/\S+)", done.stderr)
            if missing:
                lent.enter_context(_folder(missing.group(1)))
                done = self._once(option, more)
            return done

    def _once(self, option: str, more: List[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.program, option, "-f", self.config, *more],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, env=_ENVIRONMENT,
                encoding="utf-8", errors="backslashreplace",
            )  # fmt: skip
        except FileNotFoundError as error:
            if error.filename != self.program:
                raise Refused(f"{self.program} {option} can't be run: there is no {error.filename}") from error
            raise Refused(f"there is no {self.program}: install openssh-server") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Refused(f"{self.program} {option} can't be run: {error}") from error


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(lines) or f"exit status {done.returncode}"


@contextlib.contextmanager
def _host_key() -> Iterator[str]:
    """A key that nobody will ever see: an image has none of its own before its first start."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "key")
        command = ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", path]
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=_PATIENCE, env=_ENVIRONMENT, check=False)
        yield path


@contextlib.contextmanager
def _folder(path: str) -> Iterator[None]:
    """The empty folder that sshd's unit makes when it starts sshd."""
    os.makedirs(path, mode=0o755, exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # somebody uses it by now
            os.rmdir(path)
