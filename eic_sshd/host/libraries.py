# SPDX-License-Identifier: Apache-2.0
"""The distribution's libraries that eic-sshd uses, loaded late, since they are slow to load."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Iterator

from ..model.reasons import NotGranted, Reason
from ..model.value import Value

# Module, and the package that has it in Debian's and Red Hat's distributions.
_NEEDED = (
    ("cryptography.x509.ocsp", "python3-cryptography"),
    ("systemd.daemon", "python3-systemd"),
)
# Python 3.9.0 to 3.9.2 raise an ImportError where two threads import one module (bpo-38884, bpo-43517).
_lock = threading.Lock()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """A context to import in: one thread at a time, and a library that does not load is a refusal.

    A compiled module of another version of Python, or a library too old for this one, may raise any exception. A panic
    of cryptography's Rust part is a BaseException.

    Raises:
        NotGranted: library-unusable.
    """
    with _lock:
        try:
            yield
        except (NotGranted, KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            raise unusable(error) from error


def unusable(error: BaseException) -> NotGranted:
    """The refusal because a library raised `error` when it was loaded."""
    return NotGranted(Reason.LIBRARY_UNUSABLE, f"{_interpreter()}: {_text(error)}")


def try_cryptography() -> None:
    """Use cryptography as a signature's verification does: it loads some of its compiled modules only then."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    rsa.RSAPublicNumbers(65537, (1 << 2047) + 1).public_key()


class Unloadable(Value):
    """A module that cannot be loaded: the package that has it, and the exception."""

    module: str
    package: str
    detail: str


def unloadable() -> Iterator[Unloadable]:
    """The libraries of `_NEEDED` that cannot be loaded."""
    import importlib  # imported late: only check-config needs it

    for module, package in _NEEDED:
        try:
            with loading():
                importlib.import_module(module)
                if module.startswith("cryptography"):
                    try_cryptography()
        except NotGranted as problem:
            yield Unloadable(module, package, problem.detail)


def _interpreter() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{os.path.realpath(sys.executable or '/usr/bin/python3')} (Python {version})"


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
