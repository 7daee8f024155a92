# SPDX-License-Identifier: Apache-2.0
"""This process itself: its standard streams, its environment, and where it finds the distribution's libraries."""

from __future__ import annotations

import os
import sys
from typing import Container, List


def library_paths() -> List[str]:
    """The folders of the distribution's own packages: no /usr/local, no .pth files, no user's folder."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return [
        "/usr/lib/python3/dist-packages",
        f"{sys.base_prefix}/{sys.platlibdir}/{version}/site-packages",
        f"{sys.base_prefix}/lib/{version}/site-packages",
    ]


def hold_standard_streams() -> None:
    """Open /dev/null for each standard stream that the parent closed.

    Otherwise the next file that is opened gets the stream's number, and an answer or a record would go into it.
    """
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free (open(2))


def isolate(keep: Container[str]) -> None:
    """Find the libraries; clear the environment for them, except `keep`: no proxy, no OPENSSL_CONF, no locale."""
    hold_standard_streams()
    for name in list(os.environ):
        if name not in keep:
            del os.environ[name]
    sys.path += [path for path in library_paths() if path not in sys.path]
