# SPDX-License-Identifier: Apache-2.0
"""Whether the distribution's libraries can be loaded."""

from __future__ import annotations

from typing import Iterator

from ..host import libraries
from .finding import Finding, error


def problems() -> Iterator[Finding]:
    """The libraries that cannot be loaded."""
    for library in libraries.unloadable():
        yield error(
            "library-unusable",
            library.module,
            f"it cannot be loaded ({library.detail})",
            f"Install {library.package}, and let /usr/bin/python3 be the distribution's own Python: no other version "
            "loads its compiled modules",
        )
