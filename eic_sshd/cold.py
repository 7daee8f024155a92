# SPDX-License-Identifier: Apache-2.0
"""The front door's slow way: what it does where the authorizer gives no answer, or not all of it. Kept apart, so that
it costs nothing while one does: the front door is compiled anew at each run."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from .model.decision import Request
from .model.keys_command import MARK
from .model.reasons import Reason

if TYPE_CHECKING:
    from . import standalone

_LANGUAGE = os.environ.get("LANG")  # for a chained command, which gets it as from sshd

Question = Tuple[str, Optional[str], Optional[str]]
"""User, fingerprint, configuration file."""
Asked = Tuple[Question, Dict[str, str], float, bool]
"""The question, the tokens that sshd gave with it, when it was asked (time.monotonic), whether for a second time."""


def decide(asked: Asked) -> bytes:
    """Decide without the authorizer: slower, never different."""
    _prepare()
    from . import standalone

    return standalone.answer(_question(asked), _finish)


def chain(asked: Asked) -> bytes:
    """What the chained command adds to the authorizer's answer."""
    _prepare()
    from . import standalone

    return standalone.chain(_question(asked))


def give_up(asked: Asked, error: BaseException, authorizer_failed: bool) -> bytes:
    """Record that `error` kept us from a decision; what is given out is the site's fallback, if it has one."""
    _prepare()
    from . import standalone

    reason = Reason.AUTHORIZER_FAILED if authorizer_failed else Reason.INTERNAL_ERROR
    detail = str(error) if authorizer_failed else f"{type(error).__name__}: {error}"
    return standalone.give_up(_question(asked), reason, detail)


def library_paths() -> List[str]:
    """The distribution's own packages: no /usr/local, no .pth files, no user's folder."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return [
        "/usr/lib/python3/dist-packages",
        f"{sys.base_prefix}/{sys.platlibdir}/{version}/site-packages",
        f"{sys.base_prefix}/lib/{version}/site-packages",
    ]


def hold_standard_streams() -> None:
    """One that sshd closed would be the number of the next thing that is opened, and the answer, or a record, go there:
    it becomes /dev/null."""
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free (open(2))


def _prepare() -> None:
    hold_standard_streams()
    gc.disable()  # a process that is gone in a moment need not tidy up
    # For the libraries loaded from here on: no proxy, no OPENSSL_CONF, no locale. The mark says nothing to them.
    for name in set(os.environ) - {MARK}:
        del os.environ[name]
    sys.path += [path for path in library_paths() if path not in sys.path]


def _question(asked: Asked) -> standalone.Question:
    from . import standalone

    (user, fingerprint, config), tokens, begun, again = asked
    request = Request(user, fingerprint, os.getppid())
    return standalone.Question(request, config, tokens, begun, again, MARK in os.environ, _LANGUAGE)


def _finish(answer: bytes) -> None:
    with contextlib.suppress(OSError):  # sshd went away
        while answer:
            answer = answer[os.write(1, answer) :]
    os._exit(0)
