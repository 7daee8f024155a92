# SPDX-License-Identifier: Apache-2.0
"""The front door's slow way: what it does where the authorizer gives no answer. Kept apart, so that it costs nothing
while one does: the front door is compiled anew at each run."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import List, Optional

from .decision import Reason, Request


def decide(user: str, fingerprint: Optional[str], config: Optional[str]) -> bytes:
    """Decide without the authorizer: slower, never different."""
    _prepare()
    from . import oneshot

    return _encoded(oneshot.answer(Request(user, fingerprint, os.getppid()), config, _finish))


def give_up(
    user: str, fingerprint: Optional[str], config: Optional[str], error: BaseException, authorizer_failed: bool
) -> bytes:
    """Record that `error` kept us from a decision; what is given out is the site's fallback, if it has one."""
    _prepare()
    from . import oneshot

    reason = Reason.AUTHORIZER_FAILED if authorizer_failed else Reason.INTERNAL_ERROR
    detail = str(error) if authorizer_failed else f"{type(error).__name__}: {error}"
    return _encoded(oneshot.give_up(Request(user, fingerprint, os.getppid()), reason, detail, config))


def library_paths() -> List[str]:
    """The distribution's own packages: no /usr/local, no .pth files, no user's folder."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return [
        "/usr/lib/python3/dist-packages",
        f"{sys.base_prefix}/{sys.platlibdir}/{version}/site-packages",
        f"{sys.base_prefix}/lib/{version}/site-packages",
    ]


def _prepare() -> None:
    gc.disable()  # a process that is gone in a moment need not tidy up
    os.environ.clear()  # for the libraries loaded from here on: no proxy, no OPENSSL_CONF, no locale
    sys.path += [path for path in library_paths() if path not in sys.path]


def _finish(lines: List[str]) -> None:
    with contextlib.suppress(OSError):  # sshd went away
        os.write(1, _encoded(lines))
    os._exit(0)


def _encoded(lines: List[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
