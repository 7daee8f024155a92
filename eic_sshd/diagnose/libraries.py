# SPDX-License-Identifier: Apache-2.0
"""Whether the distribution's libraries can be loaded."""

from __future__ import annotations

import os
import re
from typing import Iterator, Optional

from ..host import libraries, packages
from .finding import Finding, error

_PYTHON = "usr/bin/python3"
_DEBIAN_DEFAULTS = "usr/share/python3/debian_defaults"
_PLATFORM_PYTHON = "usr/libexec/platform-python"  # Red Hat's own programs run this one


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


def python_problems(root: str = "/") -> Iterator[Finding]:
    """Whether /usr/bin/python3, which runs eic-sshd, is there and the distribution's own."""
    path = os.path.join(root, _PYTHON)
    own = _distribution_python(root)
    if not os.path.exists(path):
        command = f"ln -sfn {own} /{_PYTHON}" if own else packages.reinstall("python3", root)
        yield error("python-missing", f"/{_PYTHON}", "it does not exist, so eic-sshd cannot run", f"Run `{command}`")
        return
    linked = os.path.basename(os.path.realpath(path))
    if own is not None and linked != own:
        yield error(
            "python-replaced",
            f"/{_PYTHON}",
            f"it is {linked}, and not the distribution's own Python ({own}), whose libraries eic-sshd uses",
            f"Run `ln -sfn {own} /{_PYTHON}`",
        )


def _distribution_python(root: str) -> Optional[str]:
    """The name of the distribution's Python in /usr/bin; None if that is not known."""
    try:
        with open(os.path.join(root, _DEBIAN_DEFAULTS), encoding="utf-8", errors="replace") as file:
            found = re.search(r"^default-version\s*=\s*(python3\.\d+)\s*$", file.read(), re.MULTILINE)
            return found.group(1) if found else None
    except OSError:
        name = os.path.basename(os.path.realpath(os.path.join(root, _PLATFORM_PYTHON)))
        return name if re.fullmatch(r"python3\.\d+", name) else None
