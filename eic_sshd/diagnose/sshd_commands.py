# SPDX-License-Identifier: Apache-2.0
"""Parts of the commands that findings print: what an administrator copies into a shell."""

from __future__ import annotations

import os
import re

from ..host.systemd import UNIT_FOLDERS


def sshd_unit(root: str = "/") -> str:
    """The unit of sshd on the machine at `root`: Debian's has another name than Red Hat's."""
    debian = any(os.path.exists(os.path.join(root, folder, "ssh.service")) for folder in UNIT_FOLDERS)
    return "ssh.service" if debian else "sshd.service"


def reload_command(root: str = "/") -> str:
    """The command that reloads sshd."""
    return f"systemctl reload {sshd_unit(root)}"


def is_plain_path(path: str) -> bool:
    """Whether nothing in the absolute `path` has a meaning to a shell or to sed."""
    return re.fullmatch(r"/[A-Za-z0-9@._/-]+", path) is not None


def is_plain_word(word: str) -> bool:
    """Whether nothing in `word`, such as a user's name, has a meaning to a shell or to sed."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9@._-]*", word) is not None
